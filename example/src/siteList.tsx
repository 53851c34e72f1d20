import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useImperativeHandle, useRef, useState, type Ref } from "react";
import type { Site } from "../convex/collections.js";
import { SiteRow } from "./siteRow.js";

/** Close to the heights that the style sheet gives; each row is measured once it is there. */
const rowHeights = { narrow: 105, wide: 65 };
/** Asked for every row of a list of thousands: kept, because making it costs far more than reading it. */
const isWide = matchMedia("(min-width: 60rem)");
const revealedMs = 2_400;

export interface SiteListHandle {
  /** Brings a site into view, now or once it is listed, and says which one it is. */
  reveal(id: string): void;
}

interface SiteListProps {
  readonly ref: Ref<SiteListHandle>;
  readonly sites: readonly Site[];
  readonly onDelete: (site: Site) => void;
}

/** All sites, of which only those near the window's view are in the document. */
export function SiteList({ ref, sites, onDelete }: SiteListProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const [openId, setOpenId] = useState<string | null>(null);
  const { revealedId, setRevealedId, wantedId, setWantedId } = useRevealed();
  const virtualizer = useVirtualizer({
    count: sites.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => (isWide.matches ? rowHeights.wide : rowHeights.narrow),
    getItemKey: (index) => sites[index]?.id ?? index,
    overscan: 8,
  });

  useImperativeHandle(ref, () => ({ reveal: setWantedId }), [setWantedId]);

  useEffect(() => {
    const index = wantedId === null ? -1 : sites.findIndex((site) => site.id === wantedId);
    if (index < 0) return;
    virtualizer.scrollToIndex(index, { align: "center" });
    setRevealedId(wantedId);
    setWantedId(null);
  }, [wantedId, sites, virtualizer, setRevealedId, setWantedId]);

  const toggle = useCallback((id: string) => setOpenId((open) => (open === id ? null : id)), []);
  const move = useCallback(
    (index: number, step: number) => {
      virtualizer.scrollToIndex(index + step);
      const name = `[data-index="${index + step}"] .site-name`;
      scroller.current?.querySelector<HTMLElement>(name)?.focus({ preventScroll: true });
    },
    [virtualizer],
  );

  return (
    <div className="list" ref={scroller} hidden={sites.length === 0}>
      <ColumnHeads />
      <ul style={{ height: virtualizer.getTotalSize() }}>
        {virtualizer.getVirtualItems().map(({ index, key, start }) => {
          const site = sites[index];
          if (site === undefined) return null;
          return (
            <li
              key={key}
              ref={virtualizer.measureElement}
              data-index={index}
              aria-setsize={sites.length}
              aria-posinset={index + 1}
              style={{ transform: `translateY(${start}px)` }}
            >
              <SiteRow
                site={site}
                index={index}
                isOpen={openId === site.id}
                isRevealed={revealedId === site.id}
                onToggle={toggle}
                onMove={move}
                onDelete={onDelete}
              />
            </li>
          );
        })}
      </ul>
    </div>
  );
}

function ColumnHeads() {
  return (
    <div className="heads" aria-hidden="true">
      <span>Site</span>
      <span>Population</span>
      <span>Status</span>
      <span>Visits</span>
    </div>
  );
}

function useRevealed() {
  const [wantedId, setWantedId] = useState<string | null>(null);
  const [revealedId, setRevealedId] = useState<string | null>(null);
  useEffect(() => {
    if (revealedId === null) return;
    const timer = setTimeout(() => setRevealedId(null), revealedMs);
    return () => clearTimeout(timer);
  }, [revealedId]);
  return { wantedId, setWantedId, revealedId, setRevealedId };
}
