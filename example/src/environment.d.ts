/// <reference types="vite/client" />

interface ImportMetaEnv {
  /** The address of a Convex deployment; without it the app asks whoever served it. */
  readonly VITE_CONVEX_URL?: string;
}
