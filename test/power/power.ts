// The power goes while a real Chromium writes: a shim below it logs what reaches the disk, images are cut from that log at many
// moments, and Chromium opens each. What was acknowledged must be there, and nothing else but the write under way, as a whole.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BrowserContext, Page } from 'playwright';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type SeededRandom, seededRandom } from '../../src/structures/random.ts';
import { serve } from '../../tools/serve.mjs';
import { ENGINES, type IndexedDbEngine, launchProfile } from '../e2e/chromium.ts';
import { SEED, trials } from '../faults/report.ts';
import { type DiskEvent, imageAt, MODELS, readDiskLog, turns } from './images.ts';
import { compileShim } from './shim.ts';
import { PAGE, type Verdict } from './workload.ts';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));
const IMAGES = trials('PIRAMID_POWER_IMAGES', 20);
/** Cut from one recording. */
const IMAGES_OF_RUN = 40;
/** Operations of one recording. */
const OPERATIONS = 40;
const FOLDER_OF_INDEXEDDB = join('Default', 'IndexedDB');

interface Recording {
  events: DiskEvent[];
  /** When the operation of that number was acknowledged, nanoseconds of the same clock. */
  acknowledged: bigint[];
}

export function testPower(engine: IndexedDbEngine): void {
  let folder: string;
  let site: Awaited<ReturnType<typeof serve>>;
  let shim: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'piramid-power-'));
    shim = compileShim(folder);
    writeFileSync(join(folder, 'index.html'), PAGE);
    site = await serve({ mounts: { '/': folder, '/dist/': dist } });
  });
  afterAll(async () => {
    await site?.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  async function openPage(context: BrowserContext): Promise<Page> {
    const page = await context.newPage();
    await page.goto(site.url);
    await page.waitForFunction('globalThis.verify');
    return page;
  }

  /** Writes for a while in a new profile. */
  async function record(profile: string): Promise<Recording> {
    const log = `${profile}.log`;
    const environment = { ...process.env, LD_PRELOAD: shim, POWER_LOG: log } as { [name: string]: string };
    const context = await launchProfile(profile, ENGINES[engine], environment);
    const acknowledged: bigint[] = [];
    try {
      const page = await openPage(context);
      await new Promise<void>((resolve, reject) => {
        const acknowledge = (n: number) => {
          acknowledged[n] = process.hrtime.bigint();
          if (n === OPERATIONS) resolve();
        };
        const written = page.exposeFunction('acknowledge', acknowledge).then(() => page.evaluate('write()'));
        written.catch(({ message }) => reject(new Error(message.split('\n')[0]))); // the page's stack names no files
      });
    } finally {
      await context.close();
    }
    const end = acknowledged.at(-1)!;
    const events = readDiskLog(readFileSync(log)).filter(({ time }) => time <= end);
    rmSync(log);
    return { events, acknowledged };
  }

  /** Opens what the disk holds, and looks. */
  async function look(profile: string, image: ReadonlyMap<string, Buffer>, acknowledged: number): Promise<Verdict> {
    const survivor = `${profile}-image`;
    cpSync(profile, survivor, { recursive: true, filter: (path) => !path.includes(FOLDER_OF_INDEXEDDB + sep) });
    for (const [path, bytes] of image) {
      const file = join(survivor, path.slice(profile.length));
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, bytes);
    }
    const context = await launchProfile(survivor, ENGINES[engine]);
    try {
      return (await (await openPage(context)).evaluate(`verify(${acknowledged})`)) as Verdict;
    } finally {
      await context.close();
      rmSync(survivor, { recursive: true, force: true, maxRetries: 5 });
    }
  }

  test(`what was acknowledged survives power loss (${engine})`, async () => {
    const random = seededRandom(SEED);
    let images = 0;
    let wiped = 0;
    let lost = 0;
    let corrupt = 0;
    while (images < IMAGES) {
      const profile = join(folder, `profile-${images}`);
      const recording = await record(profile);
      const { events, acknowledged } = recording;
      for (let i = 0; i < Math.min(IMAGES_OF_RUN, IMAGES - images); i++) {
        const model = MODELS[i % MODELS.length]!;
        const time = momentOf(recording, i, random);
        const later = acknowledged.findIndex((moment) => moment > time);
        const count = later < 0 ? acknowledged.length : later;
        const verdict = await look(profile, imageAt(events, time, model, random), count);
        if (verdict.lost + verdict.corrupt > 0)
          console.log(`${engine}, seed ${SEED}, image ${images + i} (${model}), ${count} acknowledged`, verdict);
        if (verdict.found === 0 && count > 0 && verdict.told.includes('everything')) wiped++;
        else {
          lost += verdict.lost;
          corrupt += verdict.corrupt;
        }
      }
      images += Math.min(IMAGES_OF_RUN, IMAGES - images);
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    }
    console.log(`power.${engine} images=${images} wiped=${wiped} lost=${lost} corrupt=${corrupt}`);
    expect({ lost, corrupt }).toEqual({ lost: 0, corrupt: 0 });
    if (engine === 'sqlite') expect(wiped).toBe(0);
  });
}

/** Half of them shortly behind an acknowledgement at which LevelDB had just turned to a new log: what is not synced then is in the old one. */
function momentOf({ events, acknowledged }: Recording, i: number, random: SeededRandom): bigint {
  const all = acknowledged.slice(1, -1); // from the second on there is a witness
  const exposed = all.filter((moment) => turns(events).some(({ from, to }) => from <= moment && moment < to));
  const isExposed = i % 8 < 4 && exposed.length > 0;
  const moments = isExposed ? exposed : all;
  const later = random.next() * (isExposed ? 1e6 : 50e6);
  return moments[random.below(moments.length)]! + BigInt(Math.floor(later));
}
