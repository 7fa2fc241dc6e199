#!/usr/bin/env node
// The command `piramid`. It has one job: putting the files that a site serves into a folder.
import { relative } from 'node:path';
import { parseArgs } from 'node:util';
import { AssetsError, copyAssets, findAssets } from './assets.ts';

const USAGE = `Usage: piramid copy-assets DIR [options]

Copies what a page loads on demand into DIR, a folder that your site serves:
the library's code that is not in its bundle (stemmers.js, transfer.js,
webgpu.js), the built-in embedder, and ONNX Runtime where
@huggingface/transformers is installed. Then open a database with
assets: '/URL/of/DIR/'. Run it again after every update of a package; files
that are there already are not written again, and nothing is deleted.

  --model [NAME=]FOLDER  also a model of transformers.js, by the name NAME or
                         the folder's own; repeat it for more
  --no-runtime           without ONNX Runtime
  --no-static-en         without the built-in embedder
  --help, --version`;

class UsageError extends Error {}

async function main(): Promise<void> {
  const { values, positionals } = readArguments();
  if (values.help) return console.log(USAGE);
  if (values.version) return console.log(PIRAMID_RELEASE);
  const [command, folder, ...rest] = positionals;
  if (command !== 'copy-assets') throw new UsageError(command ? `there is no command "${command}"` : 'no command');
  if (!folder) throw new UsageError('copy-assets: into which folder?');
  if (rest.length > 0) throw new UsageError(`copy-assets: expected one folder, got ${[folder, ...rest].join(' ')}`);

  const { files, parts } = findAssets({
    root: process.cwd(),
    models: values.model ?? [],
    runtime: !values['no-runtime'],
    staticEn: !values['no-static-en'],
  });
  const { bytes, written, left } = await copyAssets(folder, files);
  const place = relative('', folder) || '.';
  console.log(`piramid: ${place} holds ${parts.join(', ')}`);
  console.log(
    `piramid: ${files.length} files, ${(bytes / 1e6).toFixed(1)} MB: ${written.length} written, ${files.length - written.length} as they were`,
  );
  if (left.length > 0) console.log(`piramid: left from before: ${left.join(', ')}`);
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        model: { type: 'string', multiple: true },
        'no-runtime': { type: 'boolean' },
        'no-static-en': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

main().catch((error) => {
  if (error instanceof UsageError) console.error(`piramid: ${error.message}\n\n${USAGE}`);
  // What the system says (a full disk, no permission) names the file.
  else console.error(error instanceof AssetsError || error?.syscall ? `piramid: ${error.message}` : error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
