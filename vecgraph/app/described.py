"""The app says of what types its inputs, outputs and contexts are."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, get_origin, get_type_hints

from vecgraph.app.base import Compiled
from vecgraph.app.models import declared, fields_model, json_schema, root_model, state_schema
from vecgraph.channels.base import Channel
from vecgraph.config import RunnableConfig
from vecgraph.schema import has_model
from vecgraph.warnings import LangGraphDeprecatedSinceV10

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Described"]


class Described(Compiled):
    """Gives pydantic models and JSON schemas; each method needs pydantic, which is no dependency.

    All raise ImportError without it.
    """

    @property
    def InputType(self) -> Any:
        """Type of the input, if it is one bare value; else None."""
        return self._bare(self.input_channels, "UpdateType")

    @property
    def OutputType(self) -> Any:
        """Type of the output, if it is one bare value; else None."""
        return self._bare(self.output_channels, "ValueType")

    def _bare(self, key: Any, which: str) -> Any:
        return self._type_of(key, which) if isinstance(key, str) else None

    def _type_of(self, key: str, which: str) -> Any:
        builder = self.builder
        if builder is not None and key in builder.channels:
            return declared(builder, key, which)
        return getattr(self.channels[key], which)

    @property
    def input_schema(self) -> Any:
        """The pydantic model of the input; see `get_input_schema`."""
        return self.get_input_schema()

    @property
    def output_schema(self) -> Any:
        """The pydantic model of the output; see `get_output_schema`."""
        return self.get_output_schema()

    @property
    def config_specs(self) -> list[Any]:
        """What of the app can be configured: nothing, as in LangGraph."""
        return []

    def get_input_schema(self, config: RunnableConfig | None = None) -> Any:
        """Return a pydantic model of the input.

        Parameters
        ----------
        config : RunnableConfig, optional
            Taken for LangGraph's sake.
        """
        keys = self.input_channels or list(self.channels)
        return self._model("Input", self.InputType, keys, "UpdateType")

    def get_output_schema(self, config: RunnableConfig | None = None) -> Any:
        """Return a pydantic model of the output; see `get_input_schema`."""
        return self._model("Output", self.OutputType, self.output_channels, "ValueType")

    def _model(self, suffix: str, bare: Any, keys: Any, which: str) -> Any:
        name = self.get_name(suffix)
        if not isinstance(keys, str):
            known = [key for key in keys if isinstance(self.channels.get(key), Channel)]
            return fields_model(name, {key: (self._type_of(key, which), None) for key in known})
        if get_origin(bare) is None and has_model(bare):
            return bare
        # A bare value that may only be None has no model of its own, as in LangGraph.
        return root_model(name, bare, type(self).__module__) if bare else fields_model(name, {})

    def get_input_jsonschema(self, config: RunnableConfig | None = None) -> dict[str, Any]:
        """Return the JSON schema of the input.

        Parameters
        ----------
        config : RunnableConfig, optional
            Taken for LangGraph's sake.

        Examples
        --------
        >>> from vecgraph.graph import StateGraph
        >>> app = StateGraph(int).add_node("up", lambda n: n + 1).set_entry_point("up").compile()
        >>> app.get_input_jsonschema()
        {'default': None, 'title': 'LangGraphInput', 'type': 'integer'}
        """
        if self.builder is not None:
            return state_schema(self.builder, self.builder.input_schema, self.get_name("Input"))
        found: dict[str, Any] = self.get_input_schema(config).model_json_schema()
        return found

    def get_output_jsonschema(self, config: RunnableConfig | None = None) -> dict[str, Any]:
        """Return the JSON schema of the output; see `get_input_jsonschema`."""
        if self.builder is not None:
            return state_schema(self.builder, self.builder.output_schema, self.get_name("Output"))
        found: dict[str, Any] = self.get_output_schema(config).model_json_schema()
        return found

    def get_context_jsonschema(self) -> dict[str, Any] | None:
        """Return the JSON schema of the context; None if the app has no schema for it.

        Raises
        ------
        ValueError
            The schema is neither a pydantic model nor a TypedDict nor a dataclass.
        """
        schema = self.context_schema
        if schema is None:
            return None
        found = json_schema(schema, "get_context_jsonschema()")
        if found is None:
            raise ValueError(
                f"Invalid context schema type: {schema}. "
                "Must be a BaseModel, TypedDict or dataclass."
            )
        return found

    def config_schema(self, *, include: Sequence[str] | None = None) -> Any:
        """Return a pydantic model of the config; deprecated: see `get_context_jsonschema`.

        Parameters
        ----------
        include : sequence of str, optional
            Keys of `RunnableConfig` to show; ``configurable`` shows the context's schema.
        """
        _warn_deprecated(
            "`config_schema` is deprecated. Use `get_context_jsonschema` for the relevant "
            "schema instead."
        )
        return self._config_model(include)

    def get_config_jsonschema(self, *, include: Sequence[str] | None = None) -> dict[str, Any]:
        """Return the JSON schema of `config_schema`; deprecated as that."""
        _warn_deprecated(
            "`get_config_jsonschema` is deprecated. Use `get_context_jsonschema` instead."
        )
        found: dict[str, Any] = self._config_model(include).model_json_schema()
        return found

    def _config_model(self, include: Sequence[str] | None) -> Any:
        fields: dict[str, tuple[Any, Any]] = {}
        if self.context_schema:
            fields["configurable"] = (self.context_schema, None)
        hints = get_type_hints(RunnableConfig)
        shown = set(include or ()) - {"configurable"}
        fields |= {key: (hint, None) for key, hint in hints.items() if key in shown}
        return fields_model(self.get_name("Config"), fields)


def _warn_deprecated(text: str) -> None:
    warnings.warn(LangGraphDeprecatedSinceV10(text), stacklevel=3)
