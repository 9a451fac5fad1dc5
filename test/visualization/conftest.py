from drawn import written

__all__ = ["written"]
