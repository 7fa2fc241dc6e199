// `npm run bench:gpu`: runs the WGSL kernels in Node, on the GPU that Dawn (npm `webgpu`) finds: against the CPU for correctness,
// and against what the device can read for speed. Without a GPU it takes Chromium's software adapter where there is one; there
// it checks correctness alone. `--quick` takes a tenth of the rows. Judges no figure; exits 1 where an answer is wrong.
import { appendFileSync, existsSync, mkdirSync } from 'node:fs';
import { ensureDependencies, fail, root, say } from '../tools/setup.mjs';

ensureDependencies();
const { create, globals } = await import('webgpu');
Object.assign(globalThis, globals);
const SOFTWARE = '/usr/lib/chromium/vk_swiftshader_icd.json';

/** What the issue "Kernels at the roof" wants of a real GPU, where the bytes are four times its last-level cache. */
const TARGETS = {
  'gpu.f32.roof_fraction': '>= 0.85',
  'gpu.f16.roof_fraction': '>= 0.80',
  'gpu.int8.roof_fraction': '>= 0.75',
  'gpu.binary.roof_fraction': '>= 0.60',
  'gpu.f32.k1000.select_fraction': '<= 0.05',
  'gpu.f32.wall_over_kernel_ms': '<= 0.5',
};

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
const { adapter, isSoftware, figures, choices, wrong } = await measures.measureGpu({ quick, say });
const date = new Date().toISOString();
console.log(`\n${adapter}, ${process.platform}, Node ${process.version}, ${date}\n`);
if (isSoftware) {
  console.log('A software adapter: answers were compared with the CPU, and times would mean nothing.');
} else {
  for (const { name, value, unit, n, d } of figures) {
    const shape = `${n.toLocaleString('en')} x ${d}`;
    const target = name in TARGETS ? `, target ${TARGETS[name]}` : '';
    console.log(`${name.padEnd(44)}${shape.padStart(18)}${value.toPrecision(3).padStart(12)}  ${unit}${target}`);
  }
  mkdirSync(`${root}bench/results`, { recursive: true });
  const lines = figures.map((figure) => `${JSON.stringify({ ...figure, adapter, date })}\n`);
  appendFileSync(`${root}bench/results/latest.jsonl`, lines.join(''));
}
for (const choice of choices) console.log(`calibration, ${choice}`);
for (const message of wrong) console.error(`wrong: ${message}`);
console.log(`gpu.correct wrong=${wrong.length}`);
process.exit(wrong.length === 0 ? 0 : 1);
