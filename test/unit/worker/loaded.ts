import type { Devices } from '../../../src/kernels/devices.ts';
import type { StoredCollection } from '../../../src/store/manifest.ts';
import type { Store } from '../../../src/store/store.ts';
import { CollectionState } from '../../../src/worker/collection.ts';
import { Loading } from '../../../src/worker/loading.ts';

/** A collection with all its rows in memory. */
export function loadCollection(stored: StoredCollection, store: Store, devices: Devices): Promise<CollectionState> {
  return new Loading(new CollectionState(stored, store, devices)).ready('rows');
}
