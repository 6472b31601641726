"""Pictures of bound recursions, drawn from the same equations that everything else follows from."""

from formulanas.diagram.svg import diagram, write_diagram

__all__ = ["diagram", "write_diagram"]
