"""What could be wrong around the daemon, one module for each kind of thing; serve/doctor.py asks them. Changes nothing."""
