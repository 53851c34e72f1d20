import { useState, type FormEvent } from "react";
import type { Site } from "../convex/collections.js";
import { useFieldbook } from "./fieldbook.js";
import { formatPosition } from "./format.js";
import { CloseIcon, TrashIcon } from "./icons.js";

interface SiteDetailsProps {
  readonly site: Site;
  readonly onDelete: (site: Site) => void;
}

/** The rest of a site's entry, below its line. */
export function SiteDetails({ site, onDelete }: SiteDetailsProps) {
  const { sites } = useFieldbook();
  const saveNote = (text: string) =>
    sites.update(site.id, (draft) => {
      if (text === "") delete draft.note;
      else draft.note = text;
    });
  const savePopulation = (text: string) => {
    const population = Number(text);
    if (Number.isFinite(population) && population >= 0)
      sites.update(site.id, (draft) => void (draft.population = Math.round(population)));
  };
  return (
    <div className="details">
      <Tags site={site} />
      <TextField label="Note" value={site.note ?? ""} onSave={saveNote} testId="site-note" />
      <TextField
        label="Population"
        value={String(site.population)}
        onSave={savePopulation}
        testId="site-population"
        isNumber
      />
      <div className="position">
        <span className="label">Position</span>
        <span>
          {site.lat === undefined || site.lon === undefined
            ? "Not recorded"
            : formatPosition(site.lat, site.lon)}
        </span>
      </div>
      <button type="button" className="danger" onClick={() => onDelete(site)} data-testid="delete-site">
        <TrashIcon />
        Delete site
      </button>
    </div>
  );
}

function Tags({ site }: { site: Site }) {
  const { sites } = useFieldbook();
  const [text, setText] = useState("");
  const add = (event: FormEvent) => {
    event.preventDefault();
    const tag = text.trim();
    if (tag !== "") sites.update(site.id, (draft) => draft.tags.add(tag));
    setText("");
  };
  return (
    <form className="tags" onSubmit={add}>
      <label className="label" htmlFor={`tag-${site.id}`}>
        Tags
      </label>
      <div className="tags-box">
        {site.tags.map((tag) => (
          <button
            key={tag}
            type="button"
            className="tag removable"
            aria-label={`Remove tag ${tag}`}
            onClick={() => sites.update(site.id, (draft) => void draft.tags.delete(tag))}
            data-testid="tag-remove"
          >
            {tag}
            <CloseIcon />
          </button>
        ))}
        <input
          id={`tag-${site.id}`}
          value={text}
          placeholder="Add a tag"
          onChange={(event) => setText(event.target.value)}
          enterKeyHint="done"
          autoComplete="off"
          data-testid="tag-input"
        />
      </div>
    </form>
  );
}

interface TextFieldProps {
  readonly label: string;
  readonly value: string;
  readonly testId: string;
  readonly isNumber?: boolean;
  readonly onSave: (text: string) => void;
}

/** Saves on Enter and on leaving, if anything was changed. */
function TextField({ label, value, testId, isNumber = false, onSave }: TextFieldProps) {
  const [draft, setDraft] = useState<string | null>(null);
  const save = () => {
    if (draft !== null && draft.trim() !== value) onSave(draft.trim());
    setDraft(null);
  };
  return (
    <label className={isNumber ? "field is-number" : "field"}>
      <span className="label">{label}</span>
      <input
        value={draft ?? value}
        inputMode={isNumber ? "numeric" : "text"}
        enterKeyHint="done"
        autoComplete="off"
        onChange={(event) => setDraft(event.target.value)}
        onBlur={save}
        onKeyDown={(event) => {
          if (event.key === "Enter") save();
          if (event.key === "Escape") setDraft(null);
        }}
        data-testid={testId}
      />
    </label>
  );
}
