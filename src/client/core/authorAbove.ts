const mostAuthor = 2 ** 32 - 1;

/**
 * A Yjs client id above all of `authors`: of two concurrent writes of a register Yjs keeps that of the higher id, so
 * what was made later wins, as if it stood on the earlier one.
 *
 * @param fraction a random number in [0, 1)
 * @returns null if there is none
 */
export function authorAbove(authors: readonly number[], fraction: number): number | null {
  const highest = Math.max(0, ...authors);
  return highest >= mostAuthor ? null : highest + 1 + Math.floor(fraction * (mostAuthor - highest));
}
