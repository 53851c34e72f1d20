/** One measured figure. Times stand beside a floor measured in the same run, in the same unit. */
export interface Row {
  readonly case: string;
  readonly metric: string;
  readonly value: number;
  readonly unit: string;
  readonly floor?: number;
  readonly ratio?: number;
  /** The same of the obvious design, measured in the same run. */
  readonly peer?: number;
}

export function timed(name: string, metric: string, value: number, unit: string, floor: number): Row {
  return { case: name, metric, value, unit, floor, ratio: value / floor };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

/** @param part from 0 to 1 */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
}
