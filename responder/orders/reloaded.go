package orders

import "errors"

// Reloaded says whether Asterisk has read its files during an attempt that failed with err.
func Reloaded(err error) bool {
	var r *reloaded
	return errors.As(err, &r)
}

// AfterReload marks an error of an attempt for which Asterisk has read its files.
func AfterReload(err error) error { return &reloaded{err} }

type reloaded struct{ error }

func (r *reloaded) Unwrap() error { return r.error }
