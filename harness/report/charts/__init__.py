"""The charts of a report, one module each: specifications of Vega-Lite, drawn ahead and live in the page."""
