package nginx

import (
	"testing"

	"github.com/musterhq/muster/test/lbtest"
)

func TestAnEndpointWaitsForItsCheck(t *testing.T) {
	t.Parallel()
	lbtest.AnEndpointWaitsForItsCheck(t, driver())
}

func TestTCPConnectionsHoldDrainedBack(t *testing.T) {
	t.Parallel()
	lbtest.TCPConnectionsHoldDrainedBack(t, driver())
}

func TestAWebSocketOutlivesAReloadAndHoldsDrainedBack(t *testing.T) {
	t.Parallel()
	lbtest.AWebSocketOutlivesAReloadAndHoldsDrainedBack(t, driver())
}

func TestARemovedServiceGivesItsPortBack(t *testing.T) {
	t.Parallel()
	lbtest.ARemovedServiceGivesItsPortBack(t, driver())
}

func TestACrashedNginxComesBackAsItWas(t *testing.T) {
	t.Parallel()
	lbtest.ACrashedOneComesBackAsItWas(t, driver())
}

func TestANewAgentAdoptsNginx(t *testing.T) {
	t.Parallel()
	lbtest.ANewAgentAdopts(t, driver())
}

func TestKilledInAReload(t *testing.T) {
	t.Parallel()
	lbtest.KilledInAReload(t, driver())
}

func TestARejectedSectionStopsOnlyItsService(t *testing.T) {
	t.Parallel()
	lbtest.ARejectedSectionStopsOnlyItsService(t, driver())
}

func TestATakenPortStopsOnlyItsService(t *testing.T) {
	t.Parallel()
	lbtest.ATakenPortStopsOnlyItsService(t, driver())
}

func TestAPortThatIsTakenAtTheStartStopsOnlyItsService(t *testing.T) {
	t.Parallel()
	lbtest.APortThatIsTakenAtTheStartStopsOnlyItsService(t, driver())
}

func TestAFileChangedByHandIsLeftAlone(t *testing.T) {
	t.Parallel()
	lbtest.AFileChangedByHandIsLeftAlone(t, driver())
}

func TestAFileChangedWhileTheAgentWasAway(t *testing.T) {
	t.Parallel()
	lbtest.AFileChangedWhileTheAgentWasAway(t, driver())
}

func TestAProgramThatIsMissingIsSaidAndTriedAgain(t *testing.T) {
	lbtest.AProgramThatIsMissingIsSaidAndTriedAgain(t, driver())
}

func TestVersionsThatPublishDifferentPorts(t *testing.T) {
	t.Parallel()
	lbtest.VersionsThatPublishDifferentPorts(t, driver())
}

func TestAVersionThatPublishesAnotherPort(t *testing.T) {
	t.Parallel()
	lbtest.AVersionThatPublishesAnotherPort(t, driver())
}

func TestAListenerMovesUnderLoad(t *testing.T) {
	t.Parallel()
	lbtest.AListenerMovesUnderLoad(t, driver())
}

func TestAListenerIsAddedUnderLoad(t *testing.T) {
	t.Parallel()
	lbtest.AListenerIsAddedUnderLoad(t, driver())
}

func TestServicesShareAListener(t *testing.T) {
	t.Parallel()
	lbtest.ServicesShareAListener(t, driver())
}

func TestAnOldWorkersClientsOfASharedListenerHoldBackAll(t *testing.T) {
	t.Parallel()
	lbtest.AnOldWorkersClientsOfASharedListenerHoldBackAll(t, driver())
}

func TestASnippetThatNginxRejects(t *testing.T) {
	t.Parallel()
	lbtest.ASnippetThatIsRejected(t, driver())
}

func TestTheClientsAddressByThePROXYProtocol(t *testing.T) {
	t.Parallel()
	lbtest.TheClientsAddressByThePROXYProtocol(t, driver())
}

func TestStickyClients(t *testing.T) {
	t.Parallel()
	lbtest.StickyClients(t, driver())
}

func TestStickyClientsAreTakenOver(t *testing.T) {
	t.Parallel()
	lbtest.StickyClientsAreTakenOver(t, driver())
}

func TestClientsByTheirAddress(t *testing.T) {
	t.Parallel()
	lbtest.ClientsByTheirAddress(t, driver())
}

func TestTLSWithHTTP2AndSeveralCertificates(t *testing.T) {
	t.Parallel()
	lbtest.TLSWithHTTP2AndSeveralCertificates(t, driver())
}

func TestACertificateIsRenewedUnderLoad(t *testing.T) {
	t.Parallel()
	lbtest.ACertificateIsRenewedUnderLoad(t, driver())
}

func TestACertificateThatCanNotBeUsed(t *testing.T) {
	t.Parallel()
	lbtest.ACertificateThatCanNotBeUsed(t, driver())
}

func TestGRPCOverTLS(t *testing.T) {
	t.Parallel()
	lbtest.GRPCOverTLS(t, driver())
}

func TestGRPCLosesNothing(t *testing.T) {
	t.Parallel()
	lbtest.GRPCLosesNothing(t, driver())
}

func TestGRPCBesideAVersionWithoutIt(t *testing.T) {
	t.Parallel()
	lbtest.GRPCBesideAVersionWithoutIt(t, driver())
}

func TestCountsAreWhatClientsSaw(t *testing.T) {
	t.Parallel()
	lbtest.CountsAreWhatClientsSaw(t, driver())
}

func TestNothingIsCountedThatNobodyAskedFor(t *testing.T) {
	t.Parallel()
	lbtest.NothingIsCountedThatNobodyAskedFor(t, driver())
}
