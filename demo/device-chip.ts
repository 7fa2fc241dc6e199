// The chip in the corner: what searches, how much there is, and whether the page works without a network. A click shows
// the database's own figures; sizes are there, because each needs its words.
import type { Database, DatabaseStats } from 'piramid';
import { byId, el, replace } from './dom.ts';
import { bytes, count, DEVICES, plural } from './format.ts';
import { isAbort } from './problems.ts';
import { SIZES } from './sizes.ts';

export class DeviceChip {
  private readonly db: Database;
  private readonly label = byId('device').querySelector('span:last-child')!;
  private readonly dot = byId('device').querySelector('.dot')!;
  private readonly details = byId('device-details');
  private offline = false;
  private stats: DatabaseStats | undefined;

  constructor(db: Database) {
    this.db = db;
    this.details.addEventListener('beforetoggle', () => void this.update());
  }

  setOffline(ready: boolean): void {
    this.offline = ready;
    this.show();
  }

  async update(): Promise<void> {
    try {
      this.stats = await this.db.stats();
      this.show();
    } catch (error) {
      if (!isAbort(error)) replace(this.label, 'Stopped');
    }
  }

  private show(): void {
    if (!this.stats) return;
    const { stats } = this;
    const rows = stats.collections.reduce((sum, { count }) => sum + count, 0);
    const stored = stats.collections.reduce((sum, { bytes }) => sum + bytes.disk, 0);
    this.dot.classList.toggle('on', this.offline);
    const wide = el('span', { class: 'wide' }, ` · ${plural(rows, 'passage')}`);
    replace(this.label, this.offline && 'Works offline · ', DEVICES[stats.device], wide);
    const sum = (where: 'gpu' | 'memory' | 'disk') =>
      stats.collections.reduce((total, each) => total + each.bytes[where], 0);
    const rowsHeld = stats.collections.reduce((total, each) => total + each.rows, 0);
    const embedder = stats.collections[0]?.embedder;
    const lines: (readonly [string, string] | false)[] = [
      ['Searches on', DEVICES[stats.device]],
      stats.adapter !== undefined && ['GPU', stats.adapter],
      ['Passages', count(rows)],
      rowsHeld > rows && ['Deleted, not yet cleared', count(rowsHeld - rows)],
      embedder !== undefined && ['Embedder', embedder.split(/[@;]/)[0]!],
      [SIZES.disk.label, bytes(stored)],
      [SIZES.memory.label, bytes(sum('memory'))],
      sum('gpu') > 0 && [SIZES.gpu.label, bytes(sum('gpu'))],
      ['Written since opened', bytes(stats.bytesWritten)],
      stats.quota !== undefined && [
        'Storage of this site',
        `${bytes(stats.quota.usage)} of ${bytes(stats.quota.quota)}`,
      ],
      ['Works offline', this.offline ? 'yes' : 'not yet'],
    ];
    replace(
      this.details,
      el('h2', {}, 'On this device'),
      el('dl', {}, ...lines.flatMap((line) => (line ? [el('dt', {}, line[0]), el('dd', {}, line[1])] : []))),
      el('p', { class: 'soft' }, 'Documents, model and search are on this machine. Nothing is sent anywhere.'),
    );
  }
}
