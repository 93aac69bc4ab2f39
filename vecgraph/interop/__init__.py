"""LangGraph's objects in vecgraph, and vecgraph's in LangGraph; needs the extra ``langgraph``."""
