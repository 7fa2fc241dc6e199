// Vite plugin of the browser tests: serves each worker, and each file that it loads on demand, as one script. Vite's development server hands out every module by
// itself, and a worker of a hundred modules takes half a second to start. The tests start hundreds of workers.
import { build, type InlineConfig, type Plugin, type Rolldown } from 'vite';

/** `config`: what turns a worker's sources into modules. */
export function bundledWorkers(config: InlineConfig): Plugin {
  const scripts = new Map<string, Promise<string | null>>();
  return {
    name: 'bundled-workers',
    configureServer({ config: { root }, watcher, middlewares }) {
      watcher.on('all', () => scripts.clear());
      middlewares.use(async (request, response, next) => {
        const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
        if (!searchParams.has('worker_file') && !searchParams.has('on-demand')) return next();
        const entry = `${root}${pathname}`;
        try {
          const script = scripts.get(entry) ?? bundle(entry, config);
          scripts.set(entry, script);
          const code = await script;
          if (code === null) return next();
          response.setHeader('Content-Type', 'text/javascript');
          response.end(code);
        } catch (error) {
          next(error);
        }
      });
    },
  };
}

/** Null of a worker that imports transformers.js, which finds files of its own beside itself: Vite serves it. */
async function bundle(entry: string, config: InlineConfig): Promise<string | null> {
  const built = (await build({
    ...config,
    configFile: false,
    logLevel: 'warn',
    build: {
      write: false,
      target: 'es2023',
      minify: false,
      copyPublicDir: false,
      lib: { entry, formats: ['es'] },
      rolldownOptions: { external: '@huggingface/transformers', checks: { bundlerTimings: false } },
    },
  })) as Rolldown.RolldownOutput[];
  const [{ code, imports, dynamicImports }] = built[0]!.output;
  return imports.length + dynamicImports.length === 0 ? code : null;
}
