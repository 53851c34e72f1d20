import type { AnyCollection } from "../collections/index.js";
import { keyOf } from "./core/keys.js";
import { createDeferred } from "./base/deferred.js";
import { Emitter } from "./base/events.js";
import type { ScopeReport, Want } from "./base/tabMessages.js";
import type { ScopeState, Subscription } from "./base/types.js";

/** From the least to the most advanced: a subscription is where its least advanced scope is. */
const stateOrder: readonly ScopeState[] = ["denied", "error", "idle", "bootstrapping", "catchingUp", "live"];

/** The scopes this tab wants, by its open subscriptions, and how far each is. */
export class Subscriptions {
  readonly #open = new Set<OpenSubscription>();
  readonly #onWants: (forget: readonly Want[]) => void;
  readonly #reports = new Map<string, ScopeReport>();
  #isRead = false;

  /** @param onWants called after each change of {@link wants}; with what is not to be kept on the device */
  constructor(onWants: (forget: readonly Want[]) => void) {
    this.#onWants = onWants;
  }

  /** Every wanted scope once, with its parts if anybody wants those too. */
  get wants(): Want[] {
    const all = [...this.#open].flatMap((subscription) => subscription.wants);
    const wants = [...all.filter(({ parts }) => parts === undefined), ...all.filter(({ parts }) => parts)];
    return [...new Map(wants.map((want) => [keyOfScope(want), want])).values()];
  }

  open(definition: AnyCollection, scopes: readonly string[], parts?: "prefetch"): Subscription {
    const wants = scopes.map((scope) => ({ collection: definition.name, scope, ...(parts && { parts }) }));
    const isRead = () => this.#isRead;
    const subscription = new OpenSubscription(wants, this.#reports, isRead, (keepData) => {
      this.#open.delete(subscription);
      const stillWanted = new Set(this.wants.map(keyOfScope));
      this.#onWants(keepData ? [] : wants.filter((want) => !stillWanted.has(keyOfScope(want))));
    });
    this.#open.add(subscription);
    subscription.refresh();
    this.#onWants([]);
    return subscription;
  }

  /** Takes what the database says of scopes. */
  reportStored(scopes: readonly (Want & { readonly isComplete: boolean })[]): void {
    this.report(
      scopes.map(({ collection, scope, isComplete }) => ({
        ...{ collection, scope, isComplete },
        state: "idle",
        progress: 0,
      })),
    );
  }

  /** Takes what the leader says of scopes. */
  report(reports: readonly ScopeReport[]): void {
    for (const report of reports) this.#reports.set(keyOfScope(report), report);
    for (const subscription of this.#open) subscription.refresh();
  }

  /** Everything that the database holds is shown: before, nothing is loaded, however complete it is there. */
  noteRead(): void {
    this.#isRead = true;
    for (const subscription of this.#open) subscription.refresh();
  }
}

function keyOfScope({ collection, scope }: Want): string {
  return keyOf(collection, scope);
}

class OpenSubscription implements Subscription {
  readonly wants: readonly Want[];
  readonly #reports: ReadonlyMap<string, ScopeReport>;
  readonly #isRead: () => boolean;
  readonly #onStop: (keepData: boolean) => void;
  readonly #loaded = createDeferred();
  readonly #changed = new Emitter();
  #shown = "";
  #isStopped = false;

  constructor(
    wants: readonly Want[],
    reports: ReadonlyMap<string, ScopeReport>,
    isRead: () => boolean,
    onStop: (keepData: boolean) => void,
  ) {
    this.wants = wants;
    this.#reports = reports;
    this.#isRead = isRead;
    this.#onStop = onStop;
  }

  get loaded(): Promise<void> {
    return this.#loaded.promise;
  }

  get state(): ScopeState {
    if (this.#isStopped) return "idle";
    const ranks = this.#ofMine().map((report) => stateOrder.indexOf(report?.state ?? "idle"));
    return stateOrder[Math.min(...ranks, stateOrder.length - 1)] as ScopeState;
  }

  get progress(): number {
    return this.#ofMine().reduce((sum, report) => sum + (report?.progress ?? 0), 0);
  }

  refresh(): void {
    if (this.#isRead() && this.#ofMine().every((report) => report?.isComplete === true))
      this.#loaded.resolve();
    const shown = `${this.state} ${this.progress}`;
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#changed.emit();
  }

  subscribe(listener: () => void): () => void {
    return this.#changed.on(listener);
  }

  stop({ keepData = false }: { keepData?: boolean } = {}): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#onStop(keepData);
  }

  #ofMine(): (ScopeReport | undefined)[] {
    return this.wants.map((want) => this.#reports.get(keyOfScope(want)));
  }
}
