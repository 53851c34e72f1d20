import { useEffect, useState } from "react";
import type { Site } from "../convex/collections.js";

const shownMs = 8_000;

interface UndoNoticeProps {
  readonly site: Site | null;
  readonly onUndo: (site: Site) => void;
  readonly onClose: () => void;
}

/** A deletion is made at once; for a while it can be taken back. The notice stays while it is pointed at. */
export function UndoNotice({ site, onUndo, onClose }: UndoNoticeProps) {
  const [isHeld, setHeld] = useState(false);
  useEffect(() => {
    if (site === null || isHeld) return;
    const timer = setTimeout(onClose, shownMs);
    return () => clearTimeout(timer);
  }, [site, isHeld, onClose]);
  return (
    <div className="notice-place" role="status">
      {site !== null && (
        <div
          className="notice"
          onPointerEnter={() => setHeld(true)}
          onPointerLeave={() => setHeld(false)}
          onFocus={() => setHeld(true)}
          onBlur={() => setHeld(false)}
          data-testid="undo-notice"
        >
          <span>
            Deleted <b>{site.name}</b>
          </span>
          <button type="button" onClick={() => onUndo(site)} data-testid="undo-delete">
            Undo
          </button>
        </div>
      )}
    </div>
  );
}
