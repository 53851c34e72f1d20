// What was seen of a run from outside, as the checks read it.
import type { PullArgs, PushArgs, PushResult } from "../../shared/wire.js";

/** What a push said of a transaction that was coalesced into one of its own. */
export interface Answer {
  readonly client: string;
  readonly id: string;
  readonly status: "applied" | "duplicate" | "gap" | "rejected";
  readonly code: string | null;
  /** It was sent with others that had been answered without it, or the other way round: a late copy of a push. */
  readonly isMixed: boolean;
}

/** What the server has answered to pushes, in the order in which they ran, whether or not anybody heard of it. */
export class Answers {
  #all: Answer[] = [];
  /** Of whom nothing more can become, by id: they were applied, or refused with a code. */
  readonly final = new Map<string, Answer>();
  /** What each push has applied, by when that was. */
  readonly applied = new Map<bigint, readonly string[]>();

  take({ client }: PushArgs, result: PushResult): Answer[] {
    if (result.type === "refused") return [];
    const answers = result.results.flatMap((outcome) =>
      outcome.ids.map((id) => ({
        client,
        id,
        status: outcome.status,
        code: outcome.status === "rejected" ? outcome.code : null,
        isMixed: outcome.ids.some((each) => this.final.has(each) !== this.final.has(id)),
      })),
    );
    this.#all.push(...answers);
    const applied = answers.filter(({ status }) => status === "applied").map(({ id }) => id);
    if (applied.length > 0) this.applied.set(result.ts as unknown as bigint, applied);
    for (const answer of answers) this.#note(answer);
    return answers;
  }

  #note(answer: Answer): void {
    const isFinal = answer.status !== "gap" && answer.code !== "schema_too_new";
    if (isFinal && !this.final.has(answer.id)) this.final.set(answer.id, answer);
  }

  /** A backup was restored: what was answered after it was taken the server knows nothing of any more. */
  restore(all: readonly Answer[]): void {
    this.#all = [...all];
    this.final.clear();
    for (const answer of all) this.#note(answer);
  }

  get all(): readonly Answer[] {
    return this.#all;
  }

  isApplied(id: string): boolean {
    return this.final.get(id)?.status === "applied";
  }
}

export function isPush(args: object): args is PushArgs {
  return "client" in args && "transactions" in args && "settledBelow" in args;
}

export function isPull(args: object): args is PullArgs {
  return "cursor" in args;
}
