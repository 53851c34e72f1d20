/** The keys, for those who have a keyboard. */
export function Hints() {
  return (
    <p className="hints">
      <span>
        <kbd>/</kbd> search
      </span>
      <span>
        <kbd>n</kbd> new site
      </span>
      <span>
        <kbd>↑</kbd> <kbd>↓</kbd> move
      </span>
      <span>
        <kbd>Enter</kbd> rename
      </span>
    </p>
  );
}
