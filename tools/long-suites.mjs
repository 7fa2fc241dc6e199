// Runs suites of vitest that take minutes, some side by side, and ends with the figures that they printed and one line that
// counts their tests.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';
import { ensureChromium, ensureDependencies, root, say } from './setup.mjs';

/**
 * `rows` run one after the other; the lists in a row run side by side, and the suites in a list one after the other. A suite
 * is a name, the arguments of vitest, and environment variables that are not the tests' own defaults. `figures` matches the
 * lines to repeat at the end. Ends the process.
 */
export async function runLongSuites(rows, figures) {
  ensureDependencies();
  const chromium = ensureChromium();
  if (chromium) process.env.CHROME_PATH = chromium;
  const table = [];
  let passed = 0;
  let failed = 0;

  /** Takes the figures, and vitest's counts, out of what a run printed. A run that failed without a failed test counts as one. */
  function note(output, code) {
    let failures = 0;
    for (const line of stripVTControlCharacters(output).split('\n')) {
      table.push(...(line.match(figures) ?? []));
      if (!/^\s*Tests\s/.test(line)) continue;
      passed += Number(line.match(/(\d+) passed/)?.[1] ?? 0);
      failures += Number(line.match(/(\d+) failed/)?.[1] ?? 0);
    }
    failed += failures || (code === 0 ? 0 : 1);
  }

  async function runList(suites) {
    for (const { name, args, env = {} } of suites) {
      say(name);
      const start = Date.now();
      const { code, output } = await run(['node_modules/vitest/vitest.mjs', 'run', ...args], env);
      note(output, code);
      say(`${name}: ${code === 0 ? 'done' : 'failed'} in ${Math.round((Date.now() - start) / 1000)} s`);
    }
  }

  const needsBuild = !existsSync(`${root}dist/piramid.js`);
  if (needsBuild && (await run(['tools/build.mjs', '--lib'], {})).code !== 0) process.exit(1);
  for (const row of rows) await Promise.all(row.map(runList));
  console.log(`\n${table.join('\n')}`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}

/** Its output is shown when it ends, since another one may run beside it. */
function run(args, env) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      cwd: root,
      env: { ...env, ...process.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const printed = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => printed.push(data));
    child.on('close', (code) => {
      const output = Buffer.concat(printed).toString();
      process.stdout.write(output);
      resolve({ code: code ?? 1, output });
    });
  });
}
