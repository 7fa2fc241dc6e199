// The leader's side: takes the calls of followers to the engine and their answers back, and forgets followers that die.
import { PiramidError } from '../../errors.ts';
import { type CallId, lifeLockName, type Notice, toWire } from '../../protocol.ts';
import { isTakenOver } from '../../store/backend.ts';
import type { Channel, Platform } from '../platform.ts';
import { type FollowerMessage, followerChannelName, type LeaderMessage, METHODS, TABS_PROTOCOL } from './messages.ts';
import type { Running, Term } from './term.ts';

interface Client {
  channel: Channel;
  running: Map<CallId, Running>;
  /** Ends the wait for its death. */
  watch: AbortController;
}

/** Without the leader, which each message carries. */
type Outgoing<M = LeaderMessage> = M extends unknown ? Omit<M, 'leader'> : never;

export class Leader {
  readonly id: string;
  readonly #platform: Platform;
  readonly #term: Term;
  readonly #onFenced: () => void;
  readonly #clients = new Map<string, Client>();
  #closing = false;

  constructor(platform: Platform, term: Term, onFenced: () => void) {
    this.id = platform.newId();
    this.#platform = platform;
    this.#term = term;
    this.#onFenced = onFenced;
  }

  /** Answers a follower's hello. */
  async welcome(id: string): Promise<void> {
    const client = this.#clients.get(id) ?? this.#add(id);
    try {
      await this.#term.prove();
    } catch {
      this.#onFenced();
      return;
    }
    const { opened, keyBlock, notices } = this.#term;
    this.#post(client, { type: 'welcome', protocol: TABS_PROTOCOL, ...opened!, keyBlock, notices });
  }

  /** Tells every follower. */
  notice(notice: Notice): void {
    for (const client of this.#clients.values()) this.#post(client, { type: 'notice', notice });
  }

  /** From here on nothing new is begun: who is not answered asks the next leader. */
  stop(): void {
    this.#closing = true;
  }

  close(): void {
    this.#closing = true;
    for (const id of [...this.#clients.keys()]) this.#drop(id);
  }

  #add(id: string): Client {
    const channel = this.#platform.openChannel(followerChannelName(id), (message: FollowerMessage) =>
      this.#receive(id, client, message),
    );
    const client: Client = { channel, running: new Map(), watch: new AbortController() };
    this.#clients.set(id, client);
    this.#platform
      .locks!.request(lifeLockName(id), { mode: 'shared', signal: client.watch.signal }, () => this.#drop(id))
      .catch(() => {}); // no longer watched
    return client;
  }

  #drop(id: string): void {
    const client = this.#clients.get(id);
    if (!client) return;
    this.#clients.delete(id);
    client.watch.abort();
    client.channel.close();
    for (const { cancel } of client.running.values()) cancel();
  }

  #receive(id: string, client: Client, message: FollowerMessage): void {
    if (message.type === 'bye') this.#drop(id);
    else if (message.leader !== this.id) return;
    else if (message.type === 'cancel') client.running.get(message.call)?.cancel();
    else if (!this.#closing) void this.#run(id, client, message);
  }

  async #run(id: string, client: Client, message: FollowerMessage & { type: 'call' }): Promise<void> {
    const { call, method, args, settled } = message;
    const origin = METHODS[method] === 'write' ? () => ({ client: id, call, settled }) : null;
    const running = this.#term.run(method, args, origin, (event) => this.#post(client, { type: 'event', call, event }));
    client.running.set(call, running);
    try {
      const value = await running.answer;
      this.#post(client, { type: 'answer', call, value });
    } catch (error) {
      if (isTakenOver(error)) this.#onFenced();
      // That this tab closes is no answer: the next leader gives one.
      else if (!(this.#closing && error instanceof PiramidError && error.code === 'CLOSED'))
        this.#post(client, { type: 'error', call, error: toWire(error) });
    } finally {
      client.running.delete(call);
    }
  }

  #post(client: Client, message: Outgoing): void {
    if (!client.watch.signal.aborted) client.channel.post({ ...message, leader: this.id });
  }
}
