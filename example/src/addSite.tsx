import { useState, type FormEvent } from "react";
import { countryName } from "./countries.js";
import { CloseIcon, StationIcon } from "./icons.js";

interface AddSiteProps {
  readonly country: string;
  readonly onAdd: (name: string) => void;
  readonly onClose: () => void;
}

/** A blank line at the top of the page. */
export function AddSite({ country, onAdd, onClose }: AddSiteProps) {
  const [name, setName] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() !== "") onAdd(name.trim());
  };
  return (
    <form
      className="add-site"
      onSubmit={submit}
      onKeyDown={(event) => event.key === "Escape" && onClose()}
      aria-label="New site"
    >
      <StationIcon />
      <input
        autoFocus
        value={name}
        onChange={(event) => setName(event.target.value)}
        placeholder={`Name of the new site in ${countryName(country)}`}
        aria-label="Name of the new site"
        enterKeyHint="done"
        autoComplete="off"
        data-testid="new-site-name"
      />
      <button type="submit" className="primary" disabled={name.trim() === ""} data-testid="save-new-site">
        Add
      </button>
      <button type="button" className="quiet icon-button" aria-label="Cancel" onClick={onClose}>
        <CloseIcon size={20} />
      </button>
    </form>
  );
}
