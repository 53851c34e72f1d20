import type { RefObject } from "react";
import { formatNumber } from "./format.js";
import { PlusIcon, SearchIcon, SortIcon } from "./icons.js";
import type { Selection, SortBy, StatusCounts, StatusFilter } from "./siteSelection.js";

const filters: readonly (readonly [StatusFilter, string])[] = [
  ["all", "All"],
  ["open", "Open"],
  ["surveyed", "Surveyed"],
];

interface ToolbarProps {
  readonly selection: Selection;
  readonly counts: StatusCounts;
  readonly searchField: RefObject<HTMLInputElement | null>;
  readonly onSelection: (selection: Selection) => void;
  readonly onAdd: () => void;
}

export function Toolbar({ selection, counts, searchField, onSelection, onAdd }: ToolbarProps) {
  return (
    <div className="toolbar">
      <label className="search">
        <SearchIcon />
        <span className="unseen">Search sites</span>
        <input
          ref={searchField}
          type="search"
          placeholder="Search sites"
          value={selection.search}
          onChange={(event) => onSelection({ ...selection, search: event.target.value })}
          onKeyDown={(event) => {
            if (event.key !== "Escape") return;
            onSelection({ ...selection, search: "" });
            event.currentTarget.blur();
          }}
          autoComplete="off"
          spellCheck={false}
          data-testid="search"
        />
        <kbd aria-hidden="true">/</kbd>
      </label>
      <label className="sort">
        <SortIcon />
        <select
          aria-label="Sort by"
          value={selection.sortBy}
          onChange={(event) => onSelection({ ...selection, sortBy: event.target.value as SortBy })}
          data-testid="sort"
        >
          <option value="population">Largest first</option>
          <option value="name">Name A–Z</option>
        </select>
      </label>
      <button
        type="button"
        className="primary add"
        aria-label="Add site"
        onClick={onAdd}
        data-testid="add-site"
      >
        <PlusIcon />
        <span>
          Add<span className="only-wide"> site</span>
        </span>
      </button>
      <div className="filters" role="group" aria-label="Status">
        {filters.map(([filter, label]) => (
          <button
            key={filter}
            type="button"
            aria-pressed={selection.filter === filter}
            onClick={() => onSelection({ ...selection, filter })}
            data-testid={`filter-${filter}`}
          >
            {label} <span className="count">{formatNumber(counts[filter])}</span>
          </button>
        ))}
      </div>
    </div>
  );
}
