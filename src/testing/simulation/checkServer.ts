// What must hold of the server after each of its answers.
import type { PullArgs, PullResult, TransactionStatus } from "../../shared/wire.js";
import { isStateEntry } from "../../shared/wire.js";
import { Violation } from "../violation.js";
import type { Answer, Answers } from "./observations.js";
import type { Truth } from "./truth.js";

/**
 * I-3: what became of a transaction once is what becomes of it whenever it is sent again. A gap is no outcome: of what is
 * sent in other company than it was answered in, nothing is said.
 */
export function checkAnswer(first: Answer | undefined, { id, status, code, isMixed }: Answer): void {
  if (first === undefined && status === "duplicate")
    throw new Violation("I-3", `"${id}" was never applied, and is said to have been`);
  if (isMixed && status !== "gap")
    throw new Violation("I-3", `"${id}" was answered apart from what it is sent with, and is ${status} now`);
  if (first === undefined || isMixed) return;
  const expected = first.status === "applied" ? "duplicate" : first.status;
  if (status !== expected || code !== first.code)
    throw new Violation(
      "I-3",
      `"${id}" was ${first.status} ${first.code ?? ""}, and is ${status} ${code ?? ""} when it is sent again`,
    );
}

/** I-3: a status is what the push was answered; of each that was asked about there is one. */
export function checkStatuses(
  asked: readonly string[],
  statuses: readonly TransactionStatus[],
  answers: Answers,
): void {
  const told = statuses.map(({ id, status }) => `${id} ${status}`);
  const expected = asked.map((id) => `${id} ${answers.final.get(id)?.status ?? "unknown"}`);
  if (told.join() !== expected.join())
    throw new Violation("I-3", `of ${expected.join(", ")} it is said: ${told.join(", ")}`);
}

/**
 * I-12: nothing is sent of a document that the asking user may not read.
 *
 * @param mayRead null: only the app's functions know
 */
export function checkPull(
  mayRead: boolean | null,
  truth: Truth,
  { collection, scope, cursor }: PullArgs,
  user: string | null,
  result: PullResult,
): void {
  if (result.type !== "page") return;
  if (mayRead === false)
    throw new Violation("I-12", `${user} was answered about ${scope}, which is not theirs to read`);
  for (const entry of result.entries) {
    const place = truth.get(collection, entry.document)?.scope;
    if (isStateEntry(entry) && place !== scope)
      throw new Violation("I-12", `${user} was sent "${entry.document}" with ${scope}: it is in ${place}`);
    if (entry.ts < cursor.ts)
      throw new Violation("I-11", `a page after ${cursor.ts} brought an entry of ${entry.ts}`);
  }
}
