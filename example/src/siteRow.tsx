import { memo, useEffect, useRef, type KeyboardEvent } from "react";
import type { Site } from "../convex/collections.js";
import { EditableName } from "./editableName.js";
import { useFieldbook } from "./fieldbook.js";
import { formatNumber } from "./format.js";
import { ChevronIcon, PlusIcon, StationIcon } from "./icons.js";
import { useRowStatus } from "./replicaHooks.js";
import { SiteDetails } from "./siteDetails.js";

interface SiteRowProps {
  readonly site: Site;
  readonly index: number;
  readonly isOpen: boolean;
  readonly isRevealed: boolean;
  readonly onToggle: (id: string) => void;
  /** Moves the focus to a neighbour's name. */
  readonly onMove: (index: number, step: number) => void;
  readonly onDelete: (site: Site) => void;
}

export const SiteRow = memo(function SiteRow(props: SiteRowProps) {
  const { site, index, isOpen, isRevealed, onToggle, onMove, onDelete } = props;
  const { sites } = useFieldbook();
  const row = useRef<HTMLElement>(null);
  useEffect(() => {
    if (isRevealed) row.current?.querySelector<HTMLElement>(".site-name")?.focus({ preventScroll: true });
  }, [isRevealed]);
  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step === 0 || !(event.target as HTMLElement).matches(".site-name")) return;
    event.preventDefault();
    onMove(index, step);
  };
  return (
    <article
      ref={row}
      className="site"
      aria-label={site.name}
      data-testid="site-row"
      data-id={site.id}
      data-revealed={isRevealed}
      onKeyDown={onKeyDown}
    >
      <div className="site-title">
        <EditableName
          name={site.name}
          onSave={(name) => sites.update(site.id, (draft) => void (draft.name = name))}
        />
        <SyncMark id={site.id} />
      </div>
      <p className="site-facts">
        <span className="population" data-testid="population">
          {site.population > 0 ? formatNumber(site.population) : "—"}
          {site.population > 0 && <span className="unit"> people</span>}
        </span>
      </p>
      <p className="site-tags">
        {site.tags.map((tag) => (
          <span key={tag} className="tag" data-testid="site-tag">
            {tag}
          </span>
        ))}
        {site.note !== undefined && <span className="site-note">{site.note}</span>}
      </p>
      <StatusChip site={site} />
      <div className="visits">
        <span className="visits-count">
          <b data-testid="visit-count">{site.visits}</b> {site.visits === 1 ? "visit" : "visits"}
        </span>
        <button
          type="button"
          className="icon-button"
          aria-label={`Count a visit to ${site.name}`}
          onClick={() => sites.update(site.id, (draft) => draft.visits.increment())}
          data-testid="visit-increment"
        >
          <PlusIcon />
        </button>
      </div>
      <button
        type="button"
        className="icon-button more"
        aria-expanded={isOpen}
        aria-label={`Details of ${site.name}`}
        onClick={() => onToggle(site.id)}
        data-testid="site-details"
      >
        <ChevronIcon />
      </button>
      {isOpen && <SiteDetails site={site} onDelete={onDelete} />}
    </article>
  );
});

function StatusChip({ site }: { site: Site }) {
  const { sites } = useFieldbook();
  const isSurveyed = site.status === "surveyed";
  const next = isSurveyed ? "open" : "surveyed";
  return (
    <button
      type="button"
      className="chip"
      data-status={site.status}
      title={`Mark as ${next}`}
      aria-label={`${isSurveyed ? "Surveyed" : "Open"}. Mark ${site.name} as ${next}`}
      onClick={() => sites.update(site.id, (draft) => void (draft.status = next))}
      data-testid="site-status"
    >
      <StationIcon isSurveyed={isSurveyed} />
      {isSurveyed ? "Surveyed" : "Open"}
    </button>
  );
}

const markLabels = { pending: "Waiting to be sent", failed: "A change was refused" };

function SyncMark({ id }: { id: string }) {
  const { sites } = useFieldbook();
  const status = useRowStatus(sites, id);
  if (status === "synced") return null;
  return (
    <span
      className="sync-mark"
      role="img"
      aria-label={markLabels[status]}
      title={markLabels[status]}
      data-status={status}
      data-testid="site-sync"
    />
  );
}
