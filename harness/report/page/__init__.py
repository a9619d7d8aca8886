"""What the page needs beside its templates: lean tables, what not to trust, and the data of its script."""
