import type { Change, Transaction } from "convex-replicate/client";
import { describeChange, nameInChange } from "./describeChange.js";
import { useFieldbook } from "./fieldbook.js";
import { formatAgo } from "./format.js";
import { useTransactions } from "./replicaHooks.js";
import { useNow } from "./useNow.js";

/** What the server refused. Nothing of it is lost until the user says so. */
export function FailedPanel() {
  const { replica } = useFieldbook();
  const failed = useTransactions(replica, "failed");
  if (failed.length === 0) return null;
  const count = failed.length === 1 ? "1 change was refused" : `${failed.length} changes were refused`;
  return (
    <details className="failed" open data-testid="failed-panel">
      <summary>{count}</summary>
      <ul aria-live="polite">
        {failed.toReversed().map((transaction) => (
          <FailedItem key={transaction.id} transaction={transaction} />
        ))}
      </ul>
      {failed.length > 1 && (
        <button
          type="button"
          className="quiet"
          onClick={() => failed.forEach((transaction) => transaction.discard())}
          data-testid="failed-discard-all"
        >
          Discard all {failed.length}
        </button>
      )}
    </details>
  );
}

function FailedItem({ transaction }: { transaction: Transaction }) {
  const now = useNow(30_000);
  return (
    <li data-testid="failed-item">
      <time dateTime={new Date(transaction.createdAt).toISOString()}>
        {formatAgo(transaction.createdAt, now)}
      </time>
      {transaction.changes.map((change, index) => (
        <FailedChange key={index} change={change} />
      ))}
      <p className="failed-reason" data-testid="failed-reason">
        {transaction.error?.message ?? "The server gave no reason."}
      </p>
      <div className="failed-actions">
        <button type="button" onClick={() => transaction.retry()} data-testid="failed-retry">
          Try again
        </button>
        <button
          type="button"
          className="quiet"
          onClick={() => transaction.discard()}
          data-testid="failed-discard"
        >
          Discard
        </button>
      </div>
    </li>
  );
}

function FailedChange({ change }: { change: Change }) {
  const { sites } = useFieldbook();
  const name = sites.get(change.id)?.name ?? nameInChange(change) ?? `Site ${change.id}`;
  return (
    <div className="failed-change">
      <strong>{name}</strong>
      {describeChange(change).map((line, index) => (
        <span key={index}>{line}</span>
      ))}
    </div>
  );
}
