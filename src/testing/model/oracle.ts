// Runs a schedule against the component and the model, side by side, and compares them after each step.
import { canonicalJson } from "../../shared/canonicalJson.js";
import type { PushArgs, PushResult } from "../../shared/wire.js";
import { checkReader, checkRows, checkStates, checkStatus } from "./comparisons.js";
import { Device } from "./device.js";
import { ModelServer, type Outcome } from "./modelServer.js";
import { livingPart, PartReader } from "./partReader.js";
import { Reader } from "./reader.js";
import { rules as allRules, type Rules } from "./rules.js";
import { SeededRandom } from "../random.js";
import {
  batchDocuments,
  deviceScopes,
  documents,
  operationsOf,
  scopes,
  type Change,
  type Step,
} from "./steps.js";
import { rememberPulls, type ServerWrite, type Subject } from "./subject.js";
import { Violation } from "../violation.js";

/** Cursors from before: after each step one of them is gone on from, at the end all of them. */
const keptReaders = 40;
const dayMs = 24 * 60 * 60 * 1000;

export interface Run {
  /** A line for each step and what came of it: the same for the same steps (I-20). */
  readonly trace: readonly string[];
  readonly violation: Violation | null;
  /** How often something came of a step, by what. */
  readonly counts: ReadonlyMap<string, number>;
}

/** @throws what the component throws and never should */
export async function runSteps(
  steps: readonly Step[],
  subject: Subject,
  rules: Rules = allRules,
): Promise<Run> {
  const world = new World(subject, rules);
  try {
    for (const [index, step] of steps.entries()) await world.run(step, index);
    await world.finish();
    return { ...world, violation: null };
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    return { ...world, violation: error };
  }
}

class World {
  readonly trace: string[] = [];
  readonly counts = new Map<string, number>();
  readonly model: ModelServer;
  readonly subject: Subject;
  readonly rules: Rules;
  readonly #devices: Device[];
  readonly #late: PushArgs[] = [];
  /** Where readers have stood, each with what it held there. */
  #readers: Reader[] = [];
  /** The same of texts. */
  #texts: PartReader[] = [];
  /** What is looked at beside what is always looked at depends on the step, not on those before it. */
  #random = new SeededRandom(0);

  constructor(subject: Subject, rules: Rules) {
    this.subject = rememberPulls(subject);
    this.rules = rules;
    this.model = new ModelServer(rules);
    this.#devices = deviceScopes.map((own, index) => new Device(index, new Reader(this, own)));
  }

  async run(step: Step, index: number): Promise<void> {
    const shown = step.do === "push" ? { ...step, transactions: step.transactions.length } : step;
    this.trace.push(`${index} ${JSON.stringify(shown)}`);
    this.#random = new SeededRandom(
      [...JSON.stringify(step)].reduce((sum, c) => sum * 31 + c.charCodeAt(0), 7),
    );
    await this.#act(step);
    if (step.do !== "pull" && step.do !== "pass" && step.do !== "clone") await this.#compare();
  }

  /** From every cursor that was handed out and is kept, everybody ends where the model is. */
  async finish(): Promise<void> {
    for (const scope of scopes) await this.#readOn(new Reader(this, [scope]));
    for (const { reader } of this.#devices) await this.#readOn(reader);
    for (const reader of this.#readers) await this.#readOn(reader);
    for (const text of this.#texts) if (text.isOpen) await text.catchUp();
    this.trace.push(canonicalJson(this.model.rows() as never));
  }

  async #act(step: Step): Promise<void> {
    const { model, subject } = this;
    switch (step.do) {
      case "push":
        return this.#push(this.#devices[step.device] as Device, step);
      case "resend": {
        const device = this.#devices[step.device] as Device;
        const transactions = device.kept[step.which % Math.max(1, device.kept.length)];
        if (transactions !== undefined) await this.#send(device.toArgs(transactions), device);
        return;
      }
      case "arrive": {
        const args = this.#late.shift();
        if (args !== undefined) await this.#send(args, null);
        return;
      }
      case "clone":
        return void ((this.#devices[step.device] as Device).author = this.#devices[step.from]!.author);
      case "write":
        return this.#write(
          step.changes.flatMap((change) =>
            change.kind === "invalid" || change.kind === "type" ? [] : [change],
          ),
        );
      case "batch": {
        const kind = "insert" as const;
        return this.#write(
          batchDocuments.map((document) => ({ document, kind, country: step.country, value: step.value })),
        );
      }
      case "pull":
        return this.#pull((this.#devices[step.device] as Device).reader, step.scope, step.pages);
      case "compact":
        return subject.compact(step.documents);
      case "purge": {
        const ts = await subject.purge(step.document);
        if (ts !== null) model.purge(step.document, this.#committed(ts), subject.now());
        return;
      }
      case "pass":
        return subject.pass(step.days * dayMs);
      case "tidy":
        model.prune(subject.now());
        return subject.tidy();
      case "epoch":
        return void (model.epoch = await subject.newEpoch());
      case "permit":
        subject.permit(step.scope, step.isReadable);
        return void (step.isReadable ? model.readable.add(step.scope) : model.readable.delete(step.scope));
    }
  }

  async #push(device: Device, { transactions, fate, isLive }: Extract<Step, { do: "push" }>): Promise<void> {
    if (isLive) {
      await device.reader.catchUp();
      this.#remember(device.reader);
      await this.#readTexts(device);
    }
    const changed = new Set<string>();
    const made = transactions.flatMap((changes) => {
      const operations = changes.flatMap((change) => {
        const document = this.#targetOf(device, change);
        const isSecond = changed.has(document);
        changed.add(document);
        return isSecond ? [] : (device.change({ ...change, document }) ?? []);
      });
      return operations.length === 0 ? [] : [device.transaction(operations)];
    });
    if (made.length === 0 || fate === "lost") return;
    const args = device.toArgs(made);
    device.keep(made);
    if (fate === "late") return void this.#late.push(args);
    await this.#send(args, fate === "answered" ? device : null);
  }

  /** Mostly a document that the device holds: others insert what is there already. */
  #targetOf({ reader: { held } }: Device, { document, value }: Change): string {
    const known = [...held.keys()];
    return held.has(document) || known.length === 0 || value % 3 === 0
      ? document
      : (known[value % known.length] as string);
  }

  /** @param device - who hears the answer; null: nobody */
  async #send(args: PushArgs, device: Device | null): Promise<void> {
    const { model, subject } = this;
    const wasKnown = args.transactions.map(({ ids: [id] }) => model.statusOf(args.client, id as string));
    const judgement = model.judgePush(args);
    const result = await subject.push(args);
    this.trace.push(`  ${describe(result)}`);
    if ("refused" in judgement || result.type === "refused") {
      if (!("refused" in judgement) || result.type !== "refused")
        throw new Violation("I-18", `a push of epoch ${args.epochs["sites"]} came to ${result.type}`);
      return this.#count("refused push");
    }
    const outcomes = result.results.map(({ status, ...rest }): Outcome => ({
      status,
      ...("code" in rest ? { code: rest.code } : {}),
    }));
    for (const [index, outcome] of outcomes.entries()) {
      const expected = judgement.outcomes[index];
      this.#count(outcome.code ?? outcome.status);
      const isTyped = args.transactions[index]?.operations.some(({ part }) => part !== "");
      if (isTyped && outcome.status === "applied") this.#count("typed");
      if (canonicalJson({ ...outcome }) === canonicalJson({ ...expected })) continue;
      const invariant =
        wasKnown[index]?.status !== "unknown" ? "I-3" : expected?.status === "gap" ? "I-5" : "I-4";
      throw new Violation(
        invariant,
        `${args.transactions[index]?.ids[0]} came to ${JSON.stringify(outcome)}, and should to ${JSON.stringify(expected)}`,
      );
    }
    const ts = result.ts as bigint;
    if (judgement.writes.length > 0) this.#committed(ts);
    model.commit(judgement, ts, subject.now());
    if (outcomes.some(({ status }) => status === "gap" || status === "rejected")) device?.startAnew();
    await checkStatus(this, args);
  }

  async #write(changes: readonly Change[]): Promise<void> {
    const { model, subject } = this;
    const present = new Set(model.rows().map(({ id }) => id));
    const writes = changes.flatMap(({ isBlind: _isBlind, ...change }): ServerWrite[] => {
      const operations = operationsOf(change, present.has(change.document));
      for (const { type } of operations)
        if (type === "insert") present.add(change.document);
        else if (type === "delete") present.delete(change.document);
      // Each operation is a write of its own, as each call of the writer is.
      return operations.map((operation) => ({ document: change.document, operations: [operation] }));
    });
    if (writes.length === 0) return;
    const { author, ts } = await subject.write(writes);
    const judgement = model.judgeWrite(author, writes);
    if (judgement.writes.length > 0) this.#committed(ts);
    model.commit(judgement, ts, subject.now());
    this.#count("server write");
  }

  async #pull(reader: Reader, which: number, pages: number): Promise<void> {
    const scope = reader.scopes[which % reader.scopes.length] as string;
    for (let page = 0; page < pages; page++) {
      const pulled = await reader.pull(scope);
      this.trace.push(`  ${scope} ${pulled}, holds ${reader.held.size}`);
      this.#count(pulled);
      this.#remember(reader);
      if (pulled === "done" || pulled === "denied") return;
    }
  }

  async #compare(): Promise<void> {
    await checkRows(this);
    await checkStates(this, [...documents, ...batchDocuments]);
    await this.#compareTexts();
    for (const { reader } of this.#devices) await this.#readOn(reader, { andOn: false });
    if (this.#readers.length > 0) await this.#readOn(this.#random.pick(this.#readers));
    const scope = this.#random.pick(scopes);
    const fresh = new Reader(this, [scope]);
    if ((await fresh.pull(scope)) === "more") this.#remember(fresh);
    await this.#readOn(fresh);
  }

  /** Opens the texts of what the device holds, and reads on in those that it has open. */
  async #readTexts({ reader, texts }: Device): Promise<void> {
    for (const document of reader.held.keys()) {
      const living = livingPart(this.model, document);
      if (living === null || living.updates.length === 0) continue;
      const key = JSON.stringify([document, living.part]);
      const known = texts.get(key);
      const open = known?.isOpen ? known : new PartReader(this, { document, ...living });
      texts.set(key, open);
      await open.pull();
      this.#texts = [...this.#texts, open.fork()].slice(-keptReaders);
    }
  }

  /** From a position that was handed out, or from the beginning. */
  async #compareTexts(): Promise<void> {
    this.#texts = this.#texts.filter(({ isOpen }) => isOpen);
    if (this.#texts.length > 0) await this.#random.pick(this.#texts).fork().catchUp();
    const written = [...this.model.documents].filter(([, { parts }]) => parts.size > 0);
    if (written.length === 0) return;
    const [document] = this.#random.pick(written);
    const living = livingPart(this.model, document);
    if (living !== null) await new PartReader(this, { document, ...living }).catchUp();
  }

  /** From where a reader stands to the end; there it stays: it is not told to begin anew. */
  async #readOn(reader: Reader, { andOn = true } = {}): Promise<void> {
    const fork = reader.fork();
    await fork.catchUp();
    checkReader(this.model, fork);
    if (andOn && (await fork.catchUp()) > 0)
      throw new Violation("I-18", `who has read ${reader.scopes} to the end is told to begin anew`);
  }

  #remember(reader: Reader): void {
    if (this.#readers.length >= keptReaders)
      this.#readers.splice(this.#random.below(this.#readers.length), 1);
    this.#readers.push(reader.fork());
  }

  /** A change commits above every cursor that was handed out. */
  #committed(ts: bigint): bigint {
    const handedOut = [...this.#readers, ...this.#devices.map(({ reader }) => reader)];
    for (const { newestTs } of handedOut)
      if (newestTs >= ts) throw new Violation("I-11", `a commit at ${ts}, a cursor at ${newestTs}`);
    return ts;
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
}

function describe(result: PushResult): string {
  if (result.type === "refused") return `refused: ${result.reason}`;
  return result.results
    .map((each) => `${each.ids[0]}: ${each.status} ${"code" in each ? each.code : ""}`.trim())
    .join("; ");
}
