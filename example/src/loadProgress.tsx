import { countryName } from "./countries.js";
import { formatNumber } from "./format.js";
import type { Loading } from "./replicaHooks.js";

interface LoadProgressProps {
  readonly loading: Loading;
  readonly country: string;
  readonly hasSites: boolean;
}

/** While a country comes to the device for the first time; and a word if that fails. */
export function LoadProgress({ loading, country, hasSites }: LoadProgressProps) {
  const name = countryName(country);
  if (loading.state === "denied")
    return <p className="load is-trouble">You may not read the sites of {name}.</p>;
  if (loading.state === "error" && hasSites)
    return <p className="load is-trouble">News from {name} cannot be read just now. Trying again.</p>;
  if (loading.isLoaded || loading.state !== "bootstrapping") return null;
  return (
    <div className="load" role="status" data-testid="load-progress">
      <p>
        Loading {name}
        {loading.progress > 0 && <b>{formatNumber(loading.progress)} sites</b>}
      </p>
      <div className="load-line" aria-hidden="true" />
    </div>
  );
}
