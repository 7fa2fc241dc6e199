// `npm run test:mutants`: breaks one promise at a time by changing one line in a copy of the project, and sees that the test which
// guards it fails. A mutant that its test does not notice survives: a test is missing. `--only PATTERN` takes those whose promise or
// file matches. Ends with one line that counts the survivors.
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, stripVTControlCharacters } from 'node:util';
import { runnerImport } from 'vite';
import { ensureChromium, ensureDependencies, fail, root, say } from './setup.mjs';

/** A test hangs if it takes so much longer than without a mutant: a factor, and milliseconds more. */
const PATIENCE = 4;
const PATIENCE_MS = 30_000;
const PATIENCE_MAX_MS = 600_000;

const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } });
ensureDependencies();
const chromium = ensureChromium();
if (chromium) process.env.CHROME_PATH = chromium;
process.env.PIRAMID_MODELS ??= join(root, '../shared/models');

// Of tests that try many cases, a few: a mutant has to be noticed soon.
Object.assign(process.env, { PIRAMID_TAB_WORLDS: '10', PIRAMID_FUZZ_FILES: '60' });

const mutants = await chosen(new RegExp(values.only, 'i'));
const copy = copyOfProject();
let runner;
process.on('exit', () => {
  end(runner);
  rmSync(copy, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
say(`${mutants.length} mutants, in ${copy}`);

const start = Date.now();
const survivors = [];
let errors = 0;
for (const [test, group] of byTest(mutants)) {
  const whole = await run(group[0], []);
  if (!isGreen(test, whole)) {
    errors += group.length;
    continue;
  }
  for (const mutant of group) {
    const { promise, file, from, to } = mutant;
    const source = readFileSync(join(copy, file), 'utf8');
    writeFileSync(
      join(copy, file),
      source.replace(from, () => to),
    );
    const { end, ms, output } = await run(mutant, [file], whole.ms * PATIENCE + PATIENCE_MS);
    writeFileSync(join(copy, file), source);
    runner?.changed.push(file);
    const result = { passed: 'SURVIVED', failed: 'killed', hung: 'killed' }[end] ?? 'ERROR';
    if (result === 'SURVIVED') survivors.push(mutant);
    if (result === 'ERROR') {
      errors++;
      console.log(output);
    }
    console.log(`${result.padEnd(9)}${(ms / 1000).toFixed(1).padStart(5)} s  ${promise} (${file}, ${test}: ${end})`);
  }
  // That no mutant was left in it.
  if (!isGreen(test, await run(group[0], []))) errors++;
}
for (const { promise, file, from, to } of survivors) console.log(`\nsurvivor: ${promise}\n${file}\n- ${from}\n+ ${to}`);
say(`${Math.round((Date.now() - start) / 1000)} s`);
console.log(`mutants survivors=${survivors.length} of ${mutants.length}${errors > 0 ? ` errors=${errors}` : ''}`);
process.exit(survivors.length + errors === 0 ? 0 : 1);

/** Whether a test passes without any mutant. */
function isGreen(test, { end, output }) {
  if (end !== 'passed') console.log(`${output}\nERROR    ${test}: ${end} without any mutant`);
  return end === 'passed';
}

/** The mutants that match. Each has to change what stands in its file once. */
async function chosen(pattern) {
  const { module } = await runnerImport(join(root, 'test/mutants/mutants.ts'), { root, configFile: false });
  let isStale = false;
  for (const { promise, file, from, to } of module.mutants) {
    const count = readFileSync(join(root, file), 'utf8').split(from).length - 1;
    if (count === 1 && from !== to) continue;
    isStale = true;
    console.error(`piramid: stale mutant "${promise}": ${file} holds ${count} times, expected once: ${from}`);
  }
  if (isStale) fail('bring test/mutants up to date');
  const found = module.mutants.filter(({ promise, file }) => pattern.test(promise) || pattern.test(file));
  if (found.length === 0) fail(`no mutant matches ${pattern}`);
  return found;
}

/** Mutants of one test together: it runs once without any. Those of a folder together: they share a vitest. */
function byTest(list) {
  const groups = new Map();
  for (const mutant of list) {
    const test = mutant.named ? `${mutant.test} -t "${mutant.named}"` : mutant.test;
    groups.set(test, [...(groups.get(test) ?? []), mutant]);
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Files as they are in the checkout, committed or not. */
function copyOfProject() {
  const folder = mkdtempSync(join(tmpdir(), 'piramid-mutants-'));
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root });
  for (const file of listed.toString().split('\0').filter(Boolean)) cpSync(join(root, file), join(folder, file));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

/** Runs the test of a mutant: passed, failed, hung, or why neither can be said. */
async function run({ test, named }, changed, patience = PATIENCE_MAX_MS) {
  const project = projectOf(test);
  if (runner?.project !== project) {
    end(runner);
    runner = await startRunner(project);
  }
  const current = runner;
  const started = Date.now();
  const answer = await new Promise((resolve) => {
    const timer = setTimeout(resolve, patience, 'hung');
    const settle = (end) => {
      clearTimeout(timer);
      current.process.removeAllListeners();
      resolve(end);
    };
    current.process.once('message', settle);
    current.process.once('close', () => settle('could not run'));
    current.process.send({ test, named, changed: [...current.changed.splice(0), ...changed] });
  });
  const result = { end: answer, ms: Date.now() - started, output: stripVTControlCharacters(current.output) };
  current.output = '';
  // Workers of browsers are bundled once, and a test that hangs holds its process up.
  if (answer === 'hung' || answer === 'could not run' || project.includes('browser')) {
    end(current);
    runner = undefined;
  }
  return result;
}

async function startRunner(project) {
  const options = { cwd: copy, detached: true, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] };
  const child = spawn(process.execPath, [join(root, 'tools/mutants-runner.mjs'), copy, project], options);
  /** `changed`: files that are as they were again, of which it does not know yet. */
  const started = { process: child, project, output: '', changed: [] };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data) => {
      started.output += data;
    });
  }
  await new Promise((resolve) => {
    child.once('message', resolve);
    child.once('close', resolve);
  });
  return started;
}

function end(started) {
  try {
    if (started) process.kill(-started.process.pid, 'SIGKILL');
  } catch {} // it has ended
}

function projectOf(test) {
  const [, folder] = test.split('/');
  return folder === 'field' && test.endsWith('.browser.test.ts') ? 'field-browser' : folder;
}
