// What is measured of each library, so that all are asked the same.
import type { Place } from "./places.js";

export interface Opened {
  /** Until the library says that it is ready; ms, as all others. */
  readonly ready: number;
  /** Until a sorted query shows 50 rows, the first of those that are there by then; absent: when it gives those it should. */
  readonly shown50?: number;
  /** Until a sorted query gives the 50 rows it should. */
  readonly first50: number;
  /** Until every row can be read. */
  readonly whole: number;
}

export interface Writes {
  /** Until the row reads as changed. */
  readonly visible: number[];
  /** Until the library says that it is stored; null: it does not say. */
  readonly durable: number[] | null;
}

export interface Subject {
  /** Rows arrive in pages of 256 and are stored and shown. */
  firstLoad(rows: readonly Place[]): Promise<number>;
  /** Opens what an earlier page load stored, and keeps it open. */
  reopen(count: number): Promise<Opened>;
  /** 100 documents of those that are open change at once, from elsewhere; until that can be read. */
  deltas?(rows: readonly Place[], rounds: number): Promise<number[]>;
  /** One edit after the other. */
  write?(rows: readonly Place[], count: number): Promise<Writes>;
}
