/** The mark of Refrain: the sign that ends a part to be repeated. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 14 16" width="14" height="16" aria-hidden="true">
      <circle cx="2" cy="5.6" r="1.5" /><circle cx="2" cy="10.4" r="1.5" />
      <path d="M5.4 1.5h1.2v13H5.4zM9 1.5h4v13H9z" />
    </svg>
  );
}
