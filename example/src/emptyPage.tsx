import { countryName } from "./countries.js";
import { StationIcon } from "./icons.js";
import type { Loading } from "./replicaHooks.js";
import type { Selection } from "./siteSelection.js";

interface EmptyPageProps {
  readonly country: string;
  readonly loading: Loading;
  readonly hasSites: boolean;
  readonly selection: Selection;
  readonly onAdd: () => void;
  readonly onClear: () => void;
}

/** What stands on the page when no site does. */
export function EmptyPage({ country, loading, hasSites, selection, onAdd, onClear }: EmptyPageProps) {
  const name = countryName(country);
  if (hasSites)
    return (
      <div className="empty" data-testid="empty">
        <h2>{selection.search ? `Nothing here matches “${selection.search}”` : "No sites of this status"}</h2>
        <button type="button" onClick={onClear} data-testid="clear-filters">
          Show all of {name}
        </button>
      </div>
    );
  if (loading.state === "denied") return null;
  if (!loading.isLoaded && loading.state === "bootstrapping") return <div className="empty is-loading" />;
  return (
    <div className="empty" data-testid="empty">
      <StationIcon size={56} />
      <h2>{loading.isLoaded ? `No sites in ${name} yet` : `${name} is not on this device yet`}</h2>
      <p>
        {loading.isLoaded
          ? "The first one you add is written down here at once, and sent when there is a connection."
          : "It loads as soon as there is a connection. Sites you add meanwhile are kept and sent later."}
      </p>
      <button type="button" onClick={onAdd}>
        Add a site
      </button>
    </div>
  );
}
