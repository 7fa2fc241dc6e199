// What the workers of one database say to each other, and on which channels. Answers and bulk go by a channel per follower,
// so that no tab reads another's; on the board of the database stand only a few words.
import type { CallId, Engine, EngineEvent, Notice, OpenedDatabase, WireError } from '../../protocol.ts';

/** Raised when messages change their meaning: a tab with another release's code is told so instead of misunderstood. */
export const TABS_PROTOCOL = 5;

/** Calls that are about the records, and so belong to the one engine. */
export type Method = Exclude<
  keyof Engine,
  'hello' | 'ping' | 'becomeShard' | 'open' | 'close' | 'cancel' | 'generate' | 'rerank'
>;

/** `write`, `numbered`: the last argument is the call's number. `write`: must not be applied twice. */
export const METHODS: Record<Method, 'plain' | 'numbered' | 'write'> = {
  stats: 'plain',
  testify: 'plain',
  repair: 'numbered',
  retryWrites: 'plain',
  rotateKey: 'write',
  listCollections: 'plain',
  openCollection: 'write',
  deleteCollection: 'write',
  renameCollection: 'write',
  collectionStats: 'plain',
  upsert: 'write',
  update: 'write',
  delete: 'write',
  get: 'plain',
  count: 'plain',
  scroll: 'plain',
  facets: 'plain',
  query: 'numbered',
  compact: 'numbered',
  runExport: 'numbered',
  exportBlock: 'plain',
  runImport: 'numbered',
  importPiece: 'plain',
  finishImport: 'write',
  recallCheck: 'numbered',
  loadModel: 'numbered',
  embed: 'numbered',
};

/** On the board. `leader` and `client` are UUIDs; a worker that leads again has another one. */
export type BoardMessage =
  /** A follower looks for the leader, or for a sign of its life. */
  | { type: 'hello'; client: string }
  /** I lead from now on: say hello. */
  | { type: 'leader'; leader: string }
  /** I am about to lead, or about to stop: wait. */
  | { type: 'busy' };

/** On a follower's channel, from the leader. */
export type LeaderMessage = { leader: string } /** `notices`: what was told before the follower came. */ & (
  | (OpenedDatabase & {
      type: 'welcome';
      protocol: number;
      keyBlock: ArrayBuffer | null;
      notices: Notice[];
    })
  | { type: 'answer'; call: CallId; value: unknown }
  | { type: 'error'; call: CallId; error: WireError }
  | { type: 'event'; call: CallId; event: EngineEvent }
  | { type: 'notice'; notice: Notice }
);

/** On a follower's channel, to the leader. */
export type FollowerMessage =
  /** `settled`: writes below this number have been answered. */
  | { type: 'call'; leader: string; call: CallId; method: Method; args: unknown[]; settled: number }
  | { type: 'cancel'; leader: string; call: CallId }
  | { type: 'bye'; leader: string };

export function boardName(database: string): string {
  return `piramid:${database}`;
}

export function followerChannelName(client: string): string {
  return `piramid-follower:${client}`;
}
