/** The component did something else than the model says it must. */
export class Violation extends Error {
  /** The broken invariant, as the design numbers them: `I-10`. */
  readonly invariant: string;

  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`);
    this.invariant = invariant;
  }
}
