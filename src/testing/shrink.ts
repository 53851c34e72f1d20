/** Runs tried at most: leaving out single steps of a long schedule is quadratic. */
const mostRuns = 300;

/**
 * Leaves out what a failure does not need: first halves, then ever smaller pieces, then single steps, as long as the
 * same invariant still breaks. (Zeller & Hildebrandt, "Simplifying and isolating failure-inducing input", 2002.)
 */
export async function shrinkSteps<Step>(
  steps: readonly Step[],
  invariant: string,
  run: (steps: readonly Step[]) => Promise<{ readonly violation: { readonly invariant: string } | null }>,
  most: number = mostRuns,
): Promise<readonly Step[]> {
  let shortest = steps;
  let runs = 0;
  for (let size = Math.ceil(steps.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = shortest.length - size; at > -size && runs < most; at -= size) {
      const from = Math.max(0, at);
      const shorter = [...shortest.slice(0, from), ...shortest.slice(at + size)];
      runs += 1;
      if (await stillFails(shorter)) shortest = shorter;
    }
  }
  return shortest;

  async function stillFails(some: readonly Step[]): Promise<boolean> {
    return (await run(some)).violation?.invariant === invariant;
  }
}
