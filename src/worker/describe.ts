// What the store knows, in the words of the public types.
import type { Damage as StoredDamage } from '../store/damage.ts';
import type { Kind } from '../store/format.ts';
import type { StoredCollection } from '../store/manifest.ts';
import type { Store } from '../store/store.ts';
import type { CollectionInfo, Damage } from '../types.ts';

/** Live records. */
export function recordCount(store: Store, id: number): number {
  return store.rowCount(id) - store.deleted(id).count();
}

const DAMAGED = {
  log: 'records',
  ids: 'records',
  vectors: 'vectors',
  text: 'texts',
  metadata: 'metadata',
  patches: 'metadata',
  tombstones: 'deletions',
} as const satisfies Partial<Record<Kind, Damage['what']>>;

export function describeDamage({ kind, collection, rowCount, message }: StoredDamage, store: Store): Damage {
  const name = store.collections.find(({ id }) => id === collection)?.name;
  const what = kind in DAMAGED ? DAMAGED[kind as keyof typeof DAMAGED] : 'nothing';
  return { ...(name !== undefined && { collection: name }), what, records: rowCount, message };
}

export function infoOf({ id, name, config }: StoredCollection, store: Store): CollectionInfo {
  const { quantization = 'none' } = config;
  return {
    name,
    ...(config.dimension !== null && { dimension: config.dimension }),
    metric: config.metric,
    ...(quantization !== 'none' && { quantization }),
    ...(config.language && { language: config.language }),
    ...(config.embedder && { embedder: config.embedder.fingerprint }),
    count: recordCount(store, id),
  };
}
