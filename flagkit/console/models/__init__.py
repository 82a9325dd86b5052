"""What the pages show: values made from documents, stores and clocks. Pure, or reading only; nothing is rendered."""
