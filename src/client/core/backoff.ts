const firstMs = 1_000;
const mostMs = 5 * 60_000;

/**
 * Full-jitter exponential backoff: anything from 0 to 1 s, 2 s, 4 s … 5 min, so that clients that failed
 * together do not come back together (M. Brooker, "Exponential Backoff And Jitter", AWS 2015).
 *
 * @param failures how many calls in a row have failed, from 1
 * @param fraction a random number in [0, 1)
 * @returns milliseconds
 */
export function backoffMs(failures: number, fraction: number): number {
  const ceiling = Math.min(mostMs, firstMs * 2 ** Math.min(failures - 1, 30));
  return Math.round(ceiling * fraction);
}
