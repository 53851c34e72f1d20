import type { AuthoredClocks, AuthoredGroup, AuthoredUpdate, OutboxEntry } from "../ports/storage.js";
import { entriesOf, settleGroup, type AnswerSource } from "./answers.js";
import { waitingStep } from "./attempts.js";
import { completedPublication } from "./authoring.js";
import { emptyStep, joinSteps, type Step } from "./steps.js";

/**
 * A late copy was applied. Its transactions are done at the server, which takes them once (I-3): whatever else they were
 * authored as never will be, and those that were authored with them wait again. They are answered from here on; of their
 * documents those that the rows do not contain yet come with their streams (I-7). One that had been given up has not failed
 * after all, and is done for the tabs: nothing of it was shown any more. Those that have failed with it have.
 *
 * @param isHeld whether the rows contain it
 * @param ts a commit timestamp that is not before the one at which it was applied
 * @returns also what this leaves alone
 */
export function settleLateCopies(
  source: AnswerSource,
  isHeld: (clocks: AuthoredClocks) => boolean,
  ts: bigint,
): { readonly step: Step; readonly rest: AnswerSource } {
  const copies = source.outbox().flatMap((entry) => {
    const applied = entry.transaction.withdrawn?.find((clocks) => clocks.some(isHeld));
    return applied === undefined ? [] : [{ entry, applied }];
  });
  const groups = source.groups();
  if (copies.length === 0) return { step: emptyStep, rest: source };
  const done = new Set(copies.map(({ entry }) => entry.transaction.id));
  const isReplaced = ({ transactions }: AuthoredGroup) => transactions.some((id) => done.has(id));
  const replaced = groups.filter(isReplaced);
  const left = replaced
    .flatMap((group) => entriesOf(source, group))
    .filter(({ transaction: { id, failure } }) => failure === undefined && !done.has(id));
  const steps = copies.map(({ entry: { sequence, transaction }, applied }) => {
    const { withdrawn: _, failure, ...answered } = transaction;
    const entry: OutboxEntry = { sequence, transaction: answered };
    const updates = applied.map((clocks): AuthoredUpdate => ({
      ...clocks,
      bytes: new Uint8Array(),
      isCovered: isHeld(clocks),
    }));
    const group = { sequence, transactions: [transaction.id], updates, isAnswered: true, ts } as const;
    const { commit, publication } = settleGroup({ ...group, isRemade: true }, [entry]);
    const told = failure === undefined ? publication : completedPublication([entry]);
    return joinSteps({ ...emptyStep, commit: { outbox: [entry] } }, { commit, publication: told });
  });
  const gone: Step = {
    commit: { removedGroups: replaced.map(({ sequence }) => sequence) },
    publication: waitingStep(left).publication,
  };
  const rest = {
    groups: () => groups.filter((group) => !isReplaced(group)),
    outbox: () => source.outbox(),
    waiting: () => source.waiting(),
  };
  return { step: steps.reduce(joinSteps, gone), rest };
}
