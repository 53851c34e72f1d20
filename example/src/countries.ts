export interface Country {
  /** Two letters, ISO 3166-1. */
  readonly code: string;
  readonly name: string;
}

export const countries: readonly Country[] = [
  { code: "BE", name: "Belgium" },
  { code: "DK", name: "Denmark" },
  { code: "FR", name: "France" },
  { code: "DE", name: "Germany" },
  { code: "IE", name: "Ireland" },
  { code: "LU", name: "Luxembourg" },
  { code: "NL", name: "Netherlands" },
];

export const firstCountry = "DE";

export function countryName(code: string): string {
  return countries.find((country) => country.code === code)?.name ?? code;
}
