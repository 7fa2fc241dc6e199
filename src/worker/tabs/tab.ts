// What a worker exposes: the engine's method table, whoever runs the engine. One worker of all that have a database open
// leads: it holds the database's lock, the store, the vectors and the GPU, and answers everybody's calls. The others
// follow: they send it their calls, and wait for the lock. When the leader goes, the next one in the queue leads, and
// calls without an answer are sent again; writes are known by their number, so none is applied twice.
import { PiramidError, toPiramidError } from '../../errors.ts';
import type { CreateModelLoader, ModelLoader } from '../../models/model.ts';
import {
  type CallId,
  type Engine,
  type EngineEvent,
  type EngineOptions,
  fromWire,
  type Notice,
  type OpenedDatabase,
  type PageEvent,
} from '../../protocol.ts';
import { isTakenOver } from '../../store/backend.ts';
import { type Unlocked, unlock } from '../../store/encryption.ts';
import type { DatabaseStats } from '../../types.ts';
import { type Code, importAsset } from '../assets.ts';
import { createEngine, type LocalEngine } from '../engine.ts';
import { holdLifeLock } from '../locks.ts';
import { browser, type Channel, type Platform } from '../platform.ts';
import { becomeShard, openShard } from '../shards.ts';
import { type Call, Calls, isWrite } from './calls.ts';
import { Leader } from './leader.ts';
import {
  type BoardMessage,
  boardName,
  type FollowerMessage,
  followerChannelName,
  type LeaderMessage,
  METHODS,
  type Method,
  TABS_PROTOCOL,
} from './messages.ts';
import { Office } from './office.ts';
import { Term } from './term.ts';
import { isBoardMessage, isLeaderMessage } from './valid.ts';

/** How often a leader that owes an answer is asked for a sign of life, milliseconds. */
const BEAT_MS = 1000;
/**
 * Beats without one after which its place is taken. A leader that only works hard (a scan, a model's batch) loses no write
 * by that, but its memory; one whose process is stopped holds everybody up for as long.
 */
const SILENT_BEATS_MAX = 5;
/** Writes on their way to the leader at a time: what a new leader has to know of each follower is bounded by it. */
const WRITES_SENT_MAX = 64;

type Welcome = LeaderMessage & { type: 'welcome' };

type OnEvent = (event: PageEvent) => void | Promise<void>;

/** The method table that a worker exposes. `included`: code that need not be loaded. */
export function createTab(
  createModelLoader: CreateModelLoader,
  platform: Platform = browser,
  included: Partial<Code> = {},
): Engine {
  const tab = new Tab(createModelLoader, platform, included);
  const table: Record<string, (...args: never[]) => unknown> = {
    hello: () => tab.hello(),
    ping() {},
    becomeShard,
    open: (options: EngineOptions, onEvent: OnEvent) => tab.open(options, onEvent),
    close: () => tab.close(),
    cancel: (call: CallId) => tab.cancel(call),
  };
  for (const [name, kind] of Object.entries(METHODS)) {
    const method = name as Method;
    table[method] = (...args: unknown[]) =>
      kind === 'plain' ? tab.call(method, args, null) : tab.call(method, args.slice(0, -1), args.at(-1) as CallId);
  }
  const engine = table as unknown as Engine;
  const { loadModel } = engine;
  engine.generate = async (...args) => (await tab.generating()).generate(...args);
  engine.rerank = async (...args) => (await tab.generating()).rerank(...args);
  engine.loadModel = async (...args) =>
    args[0] === 'embed' ? loadModel(...args) : (await tab.generating()).loadModel(...args);
  return engine;
}

class Tab {
  readonly #createModelLoader: CreateModelLoader;
  readonly #platform: Platform;
  readonly #included: Partial<Code>;
  /** Names this worker to the others; null without Web Locks, and then it is alone. */
  #token: string | null = null;
  #options: EngineOptions | null = null;
  #onEvent: OnEvent = () => {};
  #models: ModelLoader | null = null;
  #generation: Promise<LocalEngine> | null = null;

  readonly #calls = new Calls();
  /** Sent to the leader and not answered, and those that wait for room. */
  #writesSent = 0;
  #backlog: Call[] = [];

  /** In office, or about to be: then `leader` is null. */
  #term: Term | null = null;
  #leader: Leader | null = null;
  /** Whom this worker follows, since its welcome. */
  #following: string | null = null;
  /** Whose welcome it has, while it proves its key; what is told meanwhile belongs to it. */
  #welcomed: Welcome | null = null;
  #opened: { resolve: (opened: OpenedDatabase) => void; reject: (error: unknown) => void } | null = null;
  /** Of the database, known for certain once a collection of it has been opened. */
  #uuid: string | null = null;
  #isUuidStored = false;
  /** What its encryption needs, once this worker has proven the key: outlasts an exchange of the key by another tab. */
  #unlocked: Unlocked | null = null;

  #board: Channel | null = null;
  #channel: Channel | null = null;
  /** Null where there is nobody to share with. */
  #office: Office | null = null;
  #stopHeartbeat: (() => void) | null = null;
  #silentBeats = 0;
  #isClosing = false;
  /** Whether the page knows the database so. */
  #isReadOnly = false;
  /** Why there is nothing more to be had: closed, or the database is another one. */
  #end: PiramidError | null = null;

  constructor(createModelLoader: CreateModelLoader, platform: Platform, included: Partial<Code>) {
    this.#included = included;
    this.#createModelLoader = createModelLoader;
    this.#platform = platform;
  }

  async hello(): Promise<string | null> {
    this.#token = await holdLifeLock(this.#platform);
    return this.#token;
  }

  async open(options: EngineOptions, onEvent: OnEvent): Promise<OpenedDatabase> {
    if (this.#options) throw new PiramidError('CONFLICT', 'this worker has a database open already');
    this.#options = options;
    this.#onEvent = onEvent;
    this.#models = this.#createModelLoader(options.models);
    if (options.storage === 'memory' || this.#token === null) {
      // Nobody to share with, or nobody who could be asked: then the newest opener has the database.
      const term = this.#newTerm();
      const opened = await term.open(options, false, null);
      this.#term = term;
      return opened;
    }
    this.#office = new Office(this.#platform, options.name, this.#token, {
      takeOffice: () => this.#takeOffice(),
      onLost: () => this.#lose(),
    });
    this.#board = this.#platform.openChannel(boardName(options.name), (message: unknown) => {
      if (isBoardMessage(message)) this.#onBoard(message);
    });
    this.#channel = this.#platform.openChannel(followerChannelName(this.#token), (message: unknown) => {
      if (isLeaderMessage(message)) this.#onLeader(message);
    });
    return new Promise((resolve, reject) => {
      this.#opened = { resolve, reject };
      this.#follow();
    });
  }

  call(method: Method, args: readonly unknown[], pageNumber: CallId | null): Promise<unknown> {
    if (this.#end) return Promise.reject(this.#end);
    if (!this.#options) return Promise.reject(new PiramidError('CLOSED', 'the database is not open'));
    const { call, answer } = this.#calls.add(method, args, pageNumber);
    this.#dispatch(call);
    this.#watchLeader();
    return answer;
  }

  cancel(pageNumber: CallId): void {
    this.#generation?.then(
      (engine) => engine.cancel(pageNumber),
      () => {},
    );
    for (const call of this.#calls.all) {
      if (call.pageNumber !== pageNumber) continue;
      call.isCancelled = true;
      if (call.running) call.running.cancel();
      else if (typeof call.place === 'string') this.#tell({ type: 'cancel', leader: call.place, call: call.number });
      else if (!call.wasSent)
        this.#settle(call, () =>
          call.reject(new PiramidError('ABORTED', 'the call was cancelled by its signal; nothing was written')),
        );
      return;
    }
  }

  /**
   * What writes text or reranks: in this worker, whoever leads. What has been said cannot be sent again, and such a model would keep the leader
   * from everything else. An engine of its own that holds no records.
   */
  generating(): Promise<LocalEngine> {
    if (this.#end) return Promise.reject(this.#end);
    if (!this.#options) return Promise.reject(new PiramidError('CLOSED', 'the database is not open'));
    this.#generation ??= this.#openGeneration(this.#options);
    return this.#generation;
  }

  async close(): Promise<void> {
    if (!this.#options) return;
    const closed = new PiramidError('CLOSED', 'the database has been closed');
    this.#isClosing = true;
    this.#leader?.stop();
    if (this.#leader || !this.#board) await this.#term?.close();
    // A follower, or a leader that finds out at its end that it has been replaced.
    if (!this.#leader && this.#board) {
      this.#end = closed;
      await this.#calls.writesAnswered();
      await this.#term?.close(); // took office meanwhile
    }
    this.#term = null;
    this.#end = closed;
    this.#rejectAll(closed);
    await this.#generation?.then(
      (engine) => engine.close(),
      () => {},
    );
    await this.#models?.close();
    this.#leader?.close();
    this.#office?.leave();
    this.#stopWatching();
    if (this.#following !== null) this.#tell({ type: 'bye', leader: this.#following });
    this.#channel?.close();
    this.#board?.close();
    this.#options = null;
  }

  // ---- offices

  /** Queues for the lock, and looks for whoever has it. */
  #follow(): void {
    this.#office!.seek();
    this.#sayHello();
    this.#watchLeader();
  }

  /** Says whether it leads now. */
  async #takeOffice(): Promise<boolean> {
    const term = this.#newTerm();
    this.#term = term;
    this.#following = null;
    this.#post({ type: 'busy' });
    try {
      const opened = await term.open(this.#options!, true, this.#unlocked);
      this.#unlocked = term.unlocked;
      await term.outlastOthers();
      if (this.#term !== term) {
        term.close().catch(() => {});
        return false;
      }
      this.#leader = new Leader(this.#platform, term, () => this.#lose(term));
      this.#post({ type: 'leader', leader: this.#leader.id });
      this.#take(opened, term.notices);
      return true;
    } catch (error) {
      term.close().catch(() => {});
      if (this.#term === term) {
        this.#term = null;
        this.#office?.giveUp();
        this.#fail(toPiramidError(error, 'WORKER_FAILED', 'the database could not be taken over'));
      }
      return false;
    }
  }

  /** Another worker has taken the database away, perhaps before the term could begin: goes on as a follower. */
  #lose(term: Term | null = this.#term): void {
    if (this.#term !== term) return;
    this.#term = null;
    this.#leader?.close();
    this.#leader = null;
    this.#office?.leave();
    // Calls that run in it settle by that, and are sent to the new leader.
    term?.close().catch(() => {});
    if (!this.#isClosing || this.#calls.size > 0) this.#follow();
  }

  /** Somebody leads: sends what has no answer. */
  #take(opened: OpenedDatabase, notices: readonly Notice[]): void {
    this.#stopWatching();
    if (this.#isReadOnly && !notices.some(({ name }) => name === 'readonly'))
      this.#notify({ name: 'writable', detail: null });
    this.#opened?.resolve(opened);
    this.#opened = null;
    if (this.#isUuidStored && opened.uuid !== this.#uuid) {
      this.#end = new PiramidError(
        'DATA_LOSS',
        'the database was deleted while it was open, and made anew; close it and open it again to begin anew.',
      );
      this.#rejectAll(this.#end);
      return;
    }
    this.#uuid = opened.uuid;
    this.#backlog = [];
    this.#writesSent = 0;
    for (const call of this.#calls.all) {
      if (typeof call.place === 'string') call.place = null;
      if (call.place === null) this.#dispatch(call);
    }
    this.#watchLeader();
  }

  /** No worker could become leader. */
  #fail(error: PiramidError): void {
    this.#opened?.reject(error);
    this.#opened = null;
    this.#rejectAll(error);
  }

  // ---- calls

  #dispatch(call: Call): void {
    if (this.#leader || (this.#term && !this.#board)) this.#runHere(call, this.#term!);
    else if (this.#following !== null) this.#send(call, this.#following);
    else if (!this.#office!.isSought) this.#follow(); // the last try to lead failed
  }

  #runHere(call: Call, term: Term): void {
    const client = this.#token;
    const origin = () => ({ client: client!, call: call.number, settled: this.#calls.settledWrites() });
    call.place = term;
    call.wasSent = true;
    call.running = term.run(call.method, call.args, isWrite(call) && this.#board ? origin : null, (event) =>
      this.#emit(call, event),
    );
    if (call.isCancelled) call.running.cancel();
    call.running.answer.then(
      (value) => this.#answer(call, value, 'leader'),
      (error) => {
        if (!this.#calls.get(call.number)) return;
        if (this.#board && isTakenOver(error)) this.#lose(term);
        if (this.#term === term || this.#end) return this.#settle(call, () => call.reject(error));
        call.place = null;
        call.running = null;
        this.#dispatch(call);
        this.#watchLeader();
      },
    );
  }

  #send(call: Call, leader: string): void {
    const { number, method, args } = call;
    if (isWrite(call)) {
      if (this.#writesSent === WRITES_SENT_MAX) {
        this.#backlog.push(call);
        return;
      }
      this.#writesSent++;
    }
    call.place = leader;
    call.wasSent = true;
    try {
      this.#tell({ type: 'call', leader, call: number, method, args: [...args], settled: this.#calls.settledWrites() });
    } catch (error) {
      this.#settle(call, () => call.reject(toPiramidError(error, 'WORKER_FAILED', 'the call could not be sent')));
      return;
    }
    if (call.isCancelled) this.#tell({ type: 'cancel', leader, call: number });
  }

  #notify(notice: Notice): void {
    if (notice.name === 'readonly' || notice.name === 'writable') this.#isReadOnly = notice.name === 'readonly';
    void this.#onEvent({ type: 'notice', notice });
  }

  #emit(call: Call, event: EngineEvent): void {
    if (call.pageNumber !== null) void this.#onEvent({ ...event, call: call.pageNumber });
  }

  #answer(call: Call, value: unknown, role: DatabaseStats['role']): void {
    if (call.method === 'openCollection') this.#isUuidStored = true;
    this.#settle(call, () => call.resolve(call.method === 'stats' ? { ...(value as DatabaseStats), role } : value));
  }

  #settle(call: Call, finish: () => void): void {
    if (!this.#calls.delete(call)) return;
    finish();
    if (typeof call.place !== 'string' || !isWrite(call)) return;
    this.#writesSent--;
    let next = this.#backlog.shift();
    while (next && !this.#calls.get(next.number)) next = this.#backlog.shift(); // cancelled while it waited
    if (next && this.#following !== null) this.#send(next, this.#following);
  }

  #rejectAll(error: PiramidError): void {
    this.#backlog = [];
    for (const call of this.#calls.all) this.#settle(call, () => call.reject(error));
  }

  // ---- other workers

  #onBoard(message: BoardMessage): void {
    if (message.type !== 'hello') {
      this.#silentBeats = 0;
      if (this.#term) return;
      void this.#office?.watchHolder(); // it may be another one
      if (message.type === 'leader' && message.leader !== this.#following) this.#sayHello();
    } else if (this.#leader && !this.#isClosing) void this.#leader.welcome(message.client);
    else if (this.#term) this.#post({ type: 'busy' });
  }

  #onLeader(message: LeaderMessage): void {
    if (this.#term) return;
    if (message.type === 'welcome') {
      this.#silentBeats = 0;
      if (message.leader === this.#following) return;
      if (message.protocol !== TABS_PROTOCOL) {
        this.#fail(
          new PiramidError(
            'BLOCKED',
            'another tab has the database open with another release of Piramid; close or reload that tab',
          ),
        );
        return;
      }
      if (message.keyBlock || this.#options?.key) void this.#proveKey(message);
      else this.#followLeader(message);
      return;
    }
    if (message.leader !== this.#following) {
      if (message.type === 'notice' && message.leader === this.#welcomed?.leader)
        this.#welcomed.notices.push(message.notice);
      return;
    }
    this.#silentBeats = 0;
    if (message.type === 'notice') {
      this.#notify(message.notice);
      return;
    }
    const call = this.#calls.get(message.call);
    if (!call) return;
    if (message.type === 'event') this.#emit(call, message.event);
    else if (message.type === 'answer') this.#answer(call, message.value, 'follower');
    else this.#settle(call, () => call.reject(fromWire(message.error)));
  }

  #followLeader(welcome: Welcome): void {
    this.#following = welcome.leader;
    this.#welcomed = null;
    for (const notice of welcome.notices) this.#notify(notice);
    this.#take(welcome, welcome.notices);
  }

  /** Follows only who could open the database himself. */
  async #proveKey(welcome: Welcome): Promise<void> {
    this.#welcomed = welcome;
    try {
      this.#unlocked = await unlock(welcome.keyBlock ?? undefined, this.#options!.key ?? null, this.#unlocked);
    } catch (error) {
      this.#fail(toPiramidError(error, 'WRONG_KEY', 'the key could not be tried'));
      return;
    }
    // A welcome may come twice, and this worker may have come to lead meanwhile.
    if (!this.#term && welcome.leader !== this.#following) this.#followLeader(welcome);
  }

  /** While an answer is owed, the leader is asked for signs of life. */
  #watchLeader(): void {
    if (this.#stopHeartbeat || !this.#isOwed()) return;
    this.#silentBeats = 0;
    this.#stopHeartbeat = this.#platform.every(BEAT_MS, () => {
      if (!this.#isOwed()) this.#stopWatching();
      else if (++this.#silentBeats < SILENT_BEATS_MAX) this.#sayHello();
      else {
        this.#silentBeats = 0;
        this.#office!.seize();
      }
    });
  }

  #stopWatching(): void {
    this.#stopHeartbeat?.();
    this.#stopHeartbeat = null;
  }

  #isOwed(): boolean {
    return this.#board !== null && this.#term === null && (this.#opened !== null || this.#calls.size > 0);
  }

  #sayHello(): void {
    this.#post({ type: 'hello', client: this.#token! });
  }

  #post(message: BoardMessage): void {
    this.#board?.post(message);
  }

  #tell(message: FollowerMessage): void {
    this.#channel?.post(message);
  }

  // ---- models

  #newTerm(): Term {
    return new Term(
      this.#platform,
      () => this.#sharedModels(),
      (device) => openShard(device, this.#onEvent),
      (notice) => {
        this.#notify(notice);
        this.#leader?.notice(notice);
      },
      async (file, asking) => this.#included[file as keyof Code] ?? importAsset(file, asking, this.#onEvent),
    );
  }

  /** The engines of this worker share its models. */
  #sharedModels(): ModelLoader {
    return { ...this.#models!, close: async () => {} };
  }

  async #openGeneration(options: EngineOptions): Promise<LocalEngine> {
    const engine = createEngine(() => this.#sharedModels());
    const { key: _, ...rest } = options;
    await engine.open({ ...rest, storage: 'memory', device: 'js' }, this.#onEvent);
    return engine;
  }
}
