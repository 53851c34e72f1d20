import type { GenericDataModel, GenericMutationCtx } from "convex/server";

/**
 * Runs the writes of one mutation one after the other, also those that the app starts at once with `Promise.all`:
 * two that stood on the same state would both author from the same clock, and the document would diverge for good.
 */
export class WriteQueue {
  readonly #last = new WeakMap<object, Promise<unknown>>();

  /** @returns what `work` returns. It must not wait for another write of the same mutation. */
  run<T>(ctx: GenericMutationCtx<GenericDataModel>, work: () => Promise<T>): Promise<T> {
    // Not by `ctx`: wrappers of it are other objects with the same transaction, and leave this function alone.
    const transaction = ctx.runMutation;
    const run = (this.#last.get(transaction) ?? Promise.resolve()).then(work);
    this.#last.set(
      transaction,
      run.catch(() => {}), // its caller hears of it; the next write is another one
    );
    return run;
  }
}
