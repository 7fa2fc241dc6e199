// `npm run release -- X.Y.Z`: makes a commit and a tag of a release, once everything has been checked and built. Publishes nothing.
// `--dry` changes nothing and prints what would be done.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { fail, root, say } from './setup.mjs';

const USAGE = 'usage: npm run release -- X.Y.Z [--dry]';
const { values, positionals } = read();
const { dry } = values;
const [version] = positionals;
const tag = `v${version}`;
const today = new Date().toISOString().slice(0, 10);
const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();

if (positionals.length !== 1 || !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) fail(USAGE);
if (git('status', '--porcelain') !== '') fail('the tree has changes: commit or remove them first');
if (git('tag', '--list', tag) !== '') fail(`the tag ${tag} exists`);

const changed = {
  'package.json': withVersion('package.json', ['']),
  'package-lock.json': withVersion('package-lock.json', ['', 'packages']),
  'CHANGELOG.md': stamped(readFileSync(`${root}CHANGELOG.md`, 'utf8')),
};

for (const [file, content] of Object.entries(changed)) {
  say(`${dry ? 'would write' : 'writing'} ${file}`);
  if (!dry) writeFileSync(root + file, content);
}
// Behind that, because what is built has the version in it.
say(`${dry ? 'would run' : 'running'} npm test: format, types, import layers, build, the packages, all tests`);
if (!dry && spawnSync(process.execPath, ['tools/test.mjs'], { cwd: root, stdio: 'inherit' }).status !== 0) {
  git('checkout', '--', ...Object.keys(changed));
  fail('npm test failed; nothing was changed');
}
const message = `Release ${version}`;
say(`${dry ? 'would commit and tag' : 'committing and tagging'} ${tag}: ${message}`);
if (!dry) {
  git('add', ...Object.keys(changed));
  git('commit', '--quiet', '--message', message);
  git('tag', '--annotate', tag, '--message', message);
}
say('then: git push --follow-tags, npm publish, and npm publish ./models/static-en if it has another version');

function read() {
  try {
    return parseArgs({ options: { dry: { type: 'boolean', default: false } }, allowPositionals: true });
  } catch {
    fail(USAGE);
  }
}

/** A file of npm's with the version of this package; `paths`: where it stands, '' at the top, else of the entry '' there. */
function withVersion(file, paths) {
  const content = JSON.parse(readFileSync(root + file, 'utf8'));
  for (const path of paths) (path ? content[path][''] : content).version = version;
  return `${JSON.stringify(content, null, 2)}\n`;
}

/** The changelog whose newest section, the unreleased one, has this version and today's date. */
function stamped(changelog) {
  const [heading] = changelog.match(/^## .*/m) ?? [];
  if (!/unreleased/i.test(heading ?? ''))
    fail(`CHANGELOG.md: expected its first section to be called "unreleased", got "${heading}"`);
  return changelog.replace(heading, `## ${version} (${today})`);
}
