// `npm run bench:gpu`: runs the WGSL kernels in Node, on the GPU that Dawn (npm `webgpu`) finds: against the CPU for correctness,
// and against what the device can read for speed. Without a GPU it takes Chromium's software adapter where there is one; there
// it checks correctness alone. `--quick` takes a tenth of the rows. Judges no figure; exits 1 where an answer is wrong.
import { appendFileSync, existsSync, mkdirSync } from 'node:fs';
import { ensureDependencies, fail, root, say } from '../tools/setup.mjs';

ensureDependencies();
const { create, globals } = await import('webgpu');
Object.assign(globalThis, globals);
const SOFTWARE = '/usr/lib/chromium/vk_swiftshader_icd.json';

/** Dawn's clock rounds to 0.1 ms unless told not to. Robustness stays as browsers have it. */
const open = () =>
  create([
    'enable-dawn-features=allow_unsafe_apis',
    'disable-dawn-features=timestamp_quantization,use_vulkan_zero_initialize_workgroup_memory_extension',
  ]);
// Collected as garbage, it would take the process with it.
let gpu = open();
if (!(await gpu.requestAdapter()) && existsSync(SOFTWARE)) {
  process.env.VK_ICD_FILENAMES = SOFTWARE;
  gpu = open();
}
if (!(await gpu.requestAdapter())) fail('no GPU adapter: Dawn needs Vulkan (libvulkan1 and a driver), Metal or D3D12');
Object.defineProperty(globalThis, 'navigator', { value: { gpu }, configurable: true });

const { runnerImport } = await import('vite');
const { module: config } = await runnerImport(`${root}vite.config.ts`);
const { module: measures } = await runnerImport(`${root}bench/gpu-measures.ts`, {
  configFile: false,
  logLevel: 'warn',
  root,
  plugins: config.sources(),
});

const quick = process.argv.includes('--quick');
const { adapter, isSoftware, figures, wrong } = await measures.measureGpu({ quick, say });
const date = new Date().toISOString();
console.log(`\n${adapter}, ${process.platform}, Node ${process.version}, ${date}\n`);
if (isSoftware) {
  console.log('A software adapter: answers were compared with the CPU, and times would mean nothing.');
} else {
  for (const { name, value, unit, n, d } of figures) {
    const shape = `${n.toLocaleString('en')} x ${d}`;
    console.log(`${name.padEnd(30)}${shape.padStart(18)}${value.toPrecision(3).padStart(12)}  ${unit}`);
  }
  mkdirSync(`${root}bench/results`, { recursive: true });
  const lines = figures.map((figure) => `${JSON.stringify({ ...figure, adapter, date })}\n`);
  appendFileSync(`${root}bench/results/latest.jsonl`, lines.join(''));
}
for (const message of wrong) console.error(`wrong: ${message}`);
console.log(`gpu.correct wrong=${wrong.length}`);
process.exit(wrong.length === 0 ? 0 : 1);
