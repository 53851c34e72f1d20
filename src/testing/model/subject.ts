// What the oracle asks of the component under test, wherever it runs.
import type { PlainRow } from "../../collections/index.js";
import type { Operation } from "../../shared/operations.js";
import type {
  PullArgs,
  PullPartArgs,
  PullPartResult,
  PullResult,
  PushArgs,
  PushResult,
  TransactionStatus,
} from "../../shared/wire.js";

export interface ServerWrite {
  readonly document: string;
  readonly operations: readonly Operation[];
}

export interface Subject {
  push(args: PushArgs): Promise<PushResult>;
  pull(args: PullArgs): Promise<PullResult>;
  pullPart(args: PullPartArgs): Promise<PullPartResult>;
  status(client: string, transactions: string[]): Promise<TransactionStatus[]>;
  /** The app's rows as its own functions read them. */
  rows(): Promise<PlainRow[]>;
  /** What is stored of documents, in the order in which it is applied; scope null: nothing is. */
  states(
    documents: readonly string[],
  ): Promise<{ readonly scope: string | null; readonly blobs: readonly ArrayBuffer[] }[]>;
  /** In one mutation of the app's, by its writer. @returns under which author, and when it committed */
  write(changes: readonly ServerWrite[]): Promise<{ author: number; ts: bigint }>;
  /** Of each its main document and its text of the first life. */
  compact(documents: readonly string[]): Promise<void>;
  /** @returns when it committed; null: there was nothing to purge */
  purge(document: string): Promise<bigint | null>;
  /** What is done every hour and every day: leaves are pruned, receipts retired. */
  tidy(): Promise<void>;
  newEpoch(): Promise<string>;
  permit(scope: string, isReadable: boolean): void;
  now(): number;
  /** Until then, with what is due meanwhile. */
  pass(ms: number): Promise<void>;
}

/** As Convex does: a query that was asked before is answered from what it was, until something is written. */
export function rememberPulls(subject: Subject): Subject {
  const answers = new Map<string, Promise<PullResult>>();
  const forgetting =
    <Args extends unknown[], Result>(call: (...args: Args) => Result) =>
    (...args: Args): Result => {
      answers.clear();
      return call(...args);
    };
  return {
    ...subject,
    pull: (args) => {
      const { scope, cursor, horizon, epoch } = args;
      const key = JSON.stringify([scope, `${cursor.ts}`, cursor.document, `${horizon}`, epoch]);
      const answer = answers.get(key) ?? subject.pull(args);
      answers.set(key, answer);
      return answer;
    },
    push: forgetting(subject.push),
    write: forgetting(subject.write),
    compact: forgetting(subject.compact),
    purge: forgetting(subject.purge),
    tidy: forgetting(subject.tidy),
    newEpoch: forgetting(subject.newEpoch),
    permit: forgetting(subject.permit),
    pass: forgetting(subject.pass),
  };
}
