package cotas

import "testing"

func TestAnOlderLibraryIsOneSentence(t *testing.T) {
	for found, fits := range map[string]bool{"0.1.0": true, "0.2.0": true, "1.0.0": true, "0.0.9": false} {
		if err := fitness(found, abiVersion); (err == nil) != fits {
			t.Errorf("%s: %v", found, err)
		}
	}
	err := fitness("0.1.0", 2)
	wanted := "libcotas.so.1 is version 0.1.0 (ABI 2), and this package needs 0.1.0 (ABI 1) or later: " +
		"install the Debian package libcotas1"
	if err == nil || err.Error() != wanted {
		t.Error(err)
	}
}
