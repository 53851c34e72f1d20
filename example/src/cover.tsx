import { countries } from "./countries.js";
import { ChevronIcon, StationIcon } from "./icons.js";
import type { StatusCounts } from "./siteSelection.js";
import { formatNumber } from "./format.js";

interface CoverProps {
  readonly country: string;
  readonly counts: StatusCounts;
  readonly onCountry: (code: string) => void;
}

/** The head of the book: whose sites these are, and how much of the survey is done. */
export function Cover({ country, counts, onCountry }: CoverProps) {
  const share = counts.all === 0 ? 0 : counts.surveyed / counts.all;
  return (
    <header className="cover">
      <h1 className="brand">
        <StationIcon size={22} />
        Fieldbook
      </h1>
      <div className="country">
        <select
          aria-label="Country"
          value={country}
          onChange={(event) => onCountry(event.target.value)}
          data-testid="country-select"
        >
          {countries.map(({ code, name }) => (
            <option key={code} value={code}>
              {name} ({code})
            </option>
          ))}
        </select>
        <ChevronIcon />
      </div>
      <div className="survey">
        <p>
          {counts.all === 0 ? (
            "No sites yet"
          ) : (
            <>
              <strong>{formatNumber(counts.surveyed)}</strong> of {formatNumber(counts.all)} sites surveyed
            </>
          )}
        </p>
        <div className="survey-line" aria-hidden="true">
          <div style={{ transform: `scaleX(${share})` }} />
        </div>
      </div>
    </header>
  );
}
