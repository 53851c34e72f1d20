/**
 * The commit timestamp of a row that a query read. Only inside the mutation that wrote a row is it not a
 * bigint yet; queries, and nested queries on a stale snapshot, never see such a row.
 */
export function committedTs({ ts }: { ts: unknown }): bigint {
  if (typeof ts !== "bigint")
    throw new Error("A row of this very mutation was read where only committed ones are.");
  return ts;
}
